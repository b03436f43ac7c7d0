import type { components } from "../api/schema";

export type WaitingJob = components["schemas"]["WaitingJob"];
export type Move = components["schemas"]["MoveRequest"];
export type Direction = "first" | "up" | "down" | "last";

/** What to send to move the job at a place; null where it cannot go there.
 *
 * Jobs are moved among those of their own priority. `isWhole` says whether the list has all that
 * wait: below its end, others may follow.
 */
export function moveOf(
  waiting: readonly WaitingJob[],
  at: number,
  direction: Direction,
  isWhole: boolean,
): Move | null {
  const same = (index: number) => waiting[index]?.priority === waiting[at]?.priority;
  const before = waiting[at - 1];
  if (direction === "first" || direction === "up") {
    if (before === undefined || !same(at - 1)) return null;
    return direction === "first" ? { to: "first" } : { before: before.id };
  }
  const isEnd = at === waiting.length - 1;
  if (direction === "last") return same(at + 1) || (isEnd && !isWhole) ? { to: "last" } : null;
  if (!same(at + 1)) return null;
  const next = waiting[at + 2];
  if (next !== undefined && same(at + 2)) return { before: next.id };
  return next !== undefined || isWhole ? { to: "last" } : null;
}

/** What to send to drop a job on the place of another; null where it cannot be there. */
export function dropOf(waiting: readonly WaitingJob[], from: number, onto: number): Move | null {
  const target = waiting[onto];
  if (from === onto || target === undefined || target.priority !== waiting[from]?.priority) {
    return null;
  }
  if (from > onto) return { before: target.id };
  const next = waiting[onto + 1];
  return next !== undefined && next.priority === target.priority
    ? { before: next.id }
    : { to: "last" };
}

/** The list as it will be. */
export function moved(
  waiting: readonly WaitingJob[],
  id: string,
  { to, before }: Move,
): readonly WaitingJob[] {
  const job = waiting.find((found) => found.id === id);
  if (job === undefined) return waiting;
  const others = waiting.filter((found) => found.id !== id);
  const same = (found: WaitingJob) => found.priority === job.priority;
  const at =
    typeof before === "string"
      ? others.findIndex((found) => found.id === before)
      : to === "first"
        ? others.findIndex(same)
        : others.findLastIndex(same) + 1;
  const place = at < 0 ? waiting.indexOf(job) : at;
  return [...others.slice(0, place), job, ...others.slice(place)];
}
