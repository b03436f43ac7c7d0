import type { components } from "../api/schema";
import { labelOf } from "../forms/schema";
import { elapsedText } from "../ui/format";

type Plan = components["schemas"]["RerunPlanDocument"];

/** What a rerun takes over, what it carries out, and how long that takes where it is known. */
export function PlanView({ plan }: { readonly plan: Plan | undefined }) {
  if (plan === undefined) return null;
  return (
    <>
      <ol className="plan" aria-label="What is reused">
        {plan.reused.map((name) => (
          <li key={name} data-reused>
            {labelOf(name)}
            <span className="hidden">, reused</span>
          </li>
        ))}
        {plan.runs.map((name) => (
          <li key={name}>
            {labelOf(name)}
            <span className="hidden">, runs</span>
          </li>
        ))}
      </ol>
      <p className="small muted" role="status">
        {plan.reused.length} reused, {plan.runs.length} run again
        {plan.seconds === null ? "" : `, about ${elapsedText(plan.seconds * 1000)}`}
      </p>
      {plan.warnings.length > 0 && (
        <ul className="small warnings">
          {plan.warnings.map(({ detail }) => (
            <li key={detail}>{detail}</li>
          ))}
        </ul>
      )}
    </>
  );
}
