import { useMutation, useQuery } from "@tanstack/react-query";
import { stagesQuery } from "../api/queries";
import { useRequestKey } from "../api/requestKey";
import type { JobDocument } from "../api/types";
import { routes } from "../app/routes";
import { fieldsOf, type Schema } from "../forms/schema";
import { stepsOf } from "../jobs/steps";
import { Button } from "../ui/Button";
import { Problems } from "../ui/Problems";
import { useNavigateFromHere } from "../ui/useNavigateFromHere";
import { rerun } from "./rerun";

const PUBLISHER = "publisher";

/** Formats that a job was not published in, each a press away: its last publisher runs again, so
 * that metadata, watermark and signature of the new file are its own. */
export function OtherFormats({ job }: { readonly job: JobDocument }) {
  const navigate = useNavigateFromHere();
  const keyOf = useRequestKey();
  const stages = useQuery(stagesQuery);
  const step = stepsOf(job).findLast(({ stage }) => stage === PUBLISHER);
  const publish = useMutation({
    mutationFn: (format: string) =>
      rerun(
        job,
        { from_stage: step?.name, changes: { [`${step?.name}.formats`]: [format] } },
        keyOf,
      ),
    onSuccess: (made) => navigate(`${routes.job(made.id)}?panel=files`),
  });
  const schema = stages.data?.find(({ name }) => name === PUBLISHER)?.params as Schema | undefined;
  const known = fieldsOf(schema ?? {}).find(({ name }) => name === "formats")?.choices ?? [];
  const there = new Set<string>(job.outputs.map(({ format }) => format));
  const others = known.filter((format) => !there.has(format));
  if (job.status !== "succeeded" || step === undefined || others.length === 0) return null;
  return (
    <section className="stack small" aria-label="Other formats">
      <h2>In another format</h2>
      <div className="row">
        {others.map((format) => (
          <Button
            key={format}
            isPending={publish.isPending && publish.variables === format}
            isDisabled={publish.isPending}
            onPress={() => publish.mutate(format)}
          >
            {format}
          </Button>
        ))}
      </div>
      <p className="muted">Only the publisher runs again, which marks and signs the file anew.</p>
      <Problems error={publish.error} />
    </section>
  );
}
