import "./StageStrip.css";
import type { LiveJob } from "../api/live";
import { hasEnded, type JobDocument } from "../api/types";
import { labelOf } from "../forms/schema";
import { stepsOf } from "../jobs/steps";
import { useSettled } from "../ui/useSettled";

/** Milliseconds that a stage takes at least to be read out. */
const HEARD = 1_000;

export type StepState = "reused" | "finished" | "running" | "failed" | "waiting" | "not run";

/** Every stage of a job: what is done, and how far the running one is. */
export function StageStrip({ job, live }: { readonly job: JobDocument; readonly live: LiveJob }) {
  const heard = useSettled(heardOf(job), HEARD);
  return (
    <>
      <ol className="strip" aria-label="Stages">
        {stepsOf(job).map(({ name: step }) => {
          const state = stateOf(job, step);
          const progress = state === "running" ? live.progress[step] : undefined;
          return (
            <li
              key={step}
              data-state={state}
              aria-current={state === "running" ? "step" : undefined}
            >
              <span>{labelOf(step)}</span>
              <span className="muted small">
                {progress === undefined ? state : `${progress.done} of ${progress.total}`}
              </span>
              <progress
                aria-label={labelOf(step)}
                // Those that have ended, or wait, have said so in words.
                aria-hidden={state !== "running"}
                max={progress?.total ?? 1}
                value={progress?.done ?? (state === "finished" || state === "reused" ? 1 : 0)}
              />
            </li>
          );
        })}
      </ol>
      <p className="hidden" role="status">
        {heard}
      </p>
    </>
  );
}

/** What of it is read out: each stage that takes its time, and the end; no single step. An error is
 * read out where it stands. */
function heardOf({ status, stage }: JobDocument): string {
  if (status === "succeeded") return "All stages are done.";
  if (status === "cancelled") return "The job was stopped.";
  return status === "running" && stage !== null ? `Now ${labelOf(stage)}` : "";
}

/** How a step of a job stands; what a job that has ended did not come to is not waiting any more. */
export function stateOf(
  job: Pick<JobDocument, "reused" | "error" | "status" | "stage" | "metadata">,
  step: string,
): StepState {
  if (job.reused.includes(step)) return "reused";
  if (job.error?.stage === step) return "failed";
  if (job.status === "running" && job.stage === step) return "running";
  if (step in job.metadata) return "finished";
  return hasEnded(job.status) ? "not run" : "waiting";
}
