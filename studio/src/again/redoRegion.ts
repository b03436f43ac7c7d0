import type { Integer, Json } from "../api/json";
import type { JobDocument } from "../api/types";
import { stepsOf } from "../jobs/steps";

/** What a rerun changes to paint one region with another seed; regions that were painted again
 * before keep their seeds. */
export function redoChanges(
  job: JobDocument,
  step: string,
  number: number,
  seed: Integer,
): Readonly<Record<string, Json>> {
  const params = stepsOf(job).find(({ name }) => name === step)?.params ?? {};
  const before = (params["region_seeds"] ?? {}) as Readonly<Record<string, Json>>;
  return { [`${step}.region_seeds`]: { ...before, [String(number)]: seed } };
}
