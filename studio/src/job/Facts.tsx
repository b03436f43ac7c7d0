import "./Facts.css";
import type { JobDocument } from "../api/types";
import { labelOf } from "../forms/schema";
import { stepsOf } from "../jobs/steps";
import { factsOf } from "./facts";

/** How every stage did its work. */
export function Facts({ job }: { readonly job: JobDocument }) {
  return (
    <div className="facts">
      {stepsOf(job)
        .filter(({ name }) => name in job.metadata)
        .map(({ name: step }) => (
          <details key={step}>
            <summary>{labelOf(step)}</summary>
            <dl>
              {factsOf(job.metadata[step] ?? {}).map(({ name, label, value }) => (
                <div key={name}>
                  <dt>{label}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
          </details>
        ))}
    </div>
  );
}
