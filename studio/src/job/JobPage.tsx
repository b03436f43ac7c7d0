import { PageHeading } from "../ui/PageHeading";
import { Pending } from "../ui/Pending";
import "./JobPage.css";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-aria-components";
import { useSearchParams } from "wouter";
import { api, dataOf } from "../api/client";
import { useLiveJob } from "../api/live";
import { jobQuery } from "../api/queries";
import { hasEnded } from "../api/types";
import { UNTIL_BACK } from "../api/untilBack";
import { routes } from "../app/routes";
import { promptOf } from "../jobs/names";
import { regionsOf } from "../jobs/pictures";
import { WorkerProblem } from "../jobs/WorkerProblem";
import { useParent } from "../lineage/useParent";
import { Button } from "../ui/Button";
import { AwayNotice, Problems } from "../ui/Problems";
import { JobPanels, type Pointed, panelOf } from "./JobPanels";
import { JobPicture } from "./JobPicture";
import { RegionLayer } from "./RegionLayer";
import { StageStrip } from "./StageStrip";

/** A job: its stages while they run, and what they made.
 *
 * What is shown (`show`) and compared with it (`with`), and the panel that is open, are in the
 * address.
 */
export default function JobPage({ id }: { readonly id: string }) {
  const queries = useQueryClient();
  const query = useQuery(jobQuery(id));
  const [search, setSearch] = useSearchParams();
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const job = query.data;
  const parent = useParent(job);
  const running = job !== undefined && !hasEnded(job.status);
  const live = useLiveJob(id);
  const cancel = useMutation({
    ...UNTIL_BACK,
    mutationFn: () =>
      dataOf(api.POST("/v1/jobs/{job_id}/cancel", { params: { path: { job_id: id } } })),
    onSuccess: (found) => queries.setQueryData(jobQuery(id).queryKey, found),
  });
  if (job === undefined) return <Pending error={query.error} title="This job cannot be shown" />;

  const regions = regionsOf(job);
  const panel = panelOf(search.get("panel"), regions);
  const seen = regions.find(({ step }) => step === pointed?.step) ?? regions[0];
  const set = (name: string, value: string | null) =>
    setSearch(
      (before) => {
        if (value === null) before.delete(name);
        else before.set(name, value);
        return before;
      },
      { replace: true },
    );

  return (
    <article className="job">
      <header className="job-head">
        {/* A prompt may have thousands of letters; all of them are among the facts of its stage. */}
        <PageHeading title={promptOf(job) || job.id} />
        <span className="status" data-status={job.status}>
          {job.status}
        </span>
        {job.group !== null && <Link href={routes.group(job.group)}>its group</Link>}
        {parent !== undefined && <Link href={routes.job(parent.id)}>made from</Link>}
        {running && (
          <Button isPending={cancel.isPending} onPress={() => cancel.mutate()}>
            Cancel
          </Button>
        )}
      </header>
      <StageStrip job={job} live={live} />
      {running && <WorkerProblem />}
      <Problems error={job.error} title={job.error?.stage ?? "It failed"} />
      <AwayNotice of={[cancel]} />
      <Problems error={cancel.error ?? query.error} />
      <div className="job-body">
        <JobPicture
          job={job}
          parent={parent}
          preview={job.stage === null ? null : (live.progress[job.stage]?.preview ?? null)}
          show={search.get("show")}
          compare={search.get("with")}
          onShow={(name) => set("show", name)}
          onCompare={(name) => set("with", name)}
        >
          {panel === "regions" && seen !== undefined && (
            <RegionLayer found={seen} chosen={pointed?.index ?? null} />
          )}
        </JobPicture>
        <JobPanels
          job={job}
          regions={regions}
          panel={panel}
          onPanel={(id) => set("panel", id)}
          onPoint={setPointed}
        />
      </div>
    </article>
  );
}
