import type { JobSummary } from "../api/types";
import type { Choice } from "../ui/fields";

export type Order = "sent" | "best";

export const ORDERS: readonly Choice<Order>[] = [
  { id: "sent", label: "As they were sent" },
  { id: "best", label: "Best first" },
];

const DECISIONS = ["pass", "warn", "fail"];

/** Jobs by what the inspector decided and scored; those without a verdict come last. */
export function bestFirst(jobs: readonly JobSummary[]): readonly JobSummary[] {
  const rank = ({ decision }: JobSummary) => {
    const at = DECISIONS.indexOf(decision ?? "");
    return at < 0 ? DECISIONS.length : at;
  };
  return [...jobs].sort(
    (one, other) => rank(one) - rank(other) || (other.score ?? -1) - (one.score ?? -1),
  );
}
