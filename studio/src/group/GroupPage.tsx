import { PageHeading } from "../ui/PageHeading";
import { Pending } from "../ui/Pending";
import "./GroupPage.css";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useSearchParams } from "wouter";
import { api, dataOf } from "../api/client";
import { groupQuery } from "../api/queries";
import { hasEnded } from "../api/types";
import { UNTIL_BACK } from "../api/untilBack";
import { ArchiveLink } from "../jobs/ArchiveLink";
import { SheetLinks } from "../jobs/SheetLinks";
import { Button } from "../ui/Button";
import { SelectField } from "../ui/fields";
import { AwayNotice, Problems } from "../ui/Problems";
import { JobTile } from "./JobTile";
import { bestFirst, ORDERS, type Order } from "./order";

/** Jobs that were sent together: all of them, or the best by the inspector first. */
export default function GroupPage({ id }: { readonly id: string }) {
  const queries = useQueryClient();
  const query = useQuery(groupQuery(id));
  const [search, setSearch] = useSearchParams();
  const group = query.data;
  const cancel = useMutation({
    ...UNTIL_BACK,
    mutationFn: () =>
      dataOf(api.POST("/v1/groups/{group_id}/cancel", { params: { path: { group_id: id } } })),
    onSuccess: (found) => queries.setQueryData(groupQuery(id).queryKey, found),
  });
  if (group === undefined) {
    return <Pending error={query.error} title="This group cannot be shown" />;
  }
  const order: Order = search.get("order") === "best" ? "best" : "sent";
  const jobs = order === "best" ? bestFirst(group.jobs) : group.jobs;
  const ended = group.jobs.filter(({ status }) => hasEnded(status)).length;
  return (
    <article className="stack group">
      <header className="row">
        <PageHeading title={String(group.jobs[0]?.input["prompt"] ?? id)} />
        {/* Read out once it is whole, not with every one that ends. */}
        <span
          className="muted"
          role="status"
          aria-live={ended === group.jobs.length ? "polite" : "off"}
        >
          {ended} of {group.jobs.length} done
        </span>
        {!hasEnded(group.status) && (
          <Button isPending={cancel.isPending} onPress={() => cancel.mutate()}>
            Cancel the rest
          </Button>
        )}
        {group.jobs.some(({ status }) => status === "succeeded") && (
          <>
            <SheetLinks group={group.id} />
            <ArchiveLink group={group.id} />
          </>
        )}
      </header>
      <AwayNotice of={[cancel]} />
      <Problems error={cancel.error ?? query.error} />
      <div className="group-order">
        <SelectField
          label="Order"
          hint={
            order === "best" ? "As the inspector found them: a score of 1 has no complaint." : ""
          }
          value={order}
          onChange={(found) =>
            setSearch(found === "best" ? { order: "best" } : {}, { replace: true })
          }
          choices={ORDERS}
        />
      </div>
      <ul className="tiles" aria-label="Jobs">
        {jobs.map((job) => (
          <li key={job.id}>
            <JobTile job={job} />
          </li>
        ))}
      </ul>
    </article>
  );
}
