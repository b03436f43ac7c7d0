import { isAway } from "./problem";

/** Milliseconds between two tries at a server that is away, at most. */
const LONGEST_WAIT = 10_000;

/** Milliseconds before the next try at a server that is away. */
export function retryDelay(count: number): number {
  return Math.min(1000 * 2 ** count, LONGEST_WAIT);
}

/** Of what may be sent twice without harm: while the server is away it is tried again, until it is
 * back. What it refused, it would refuse again. */
export const UNTIL_BACK = {
  retry: (_: number, error: unknown): boolean => isAway(error),
  retryDelay,
};
