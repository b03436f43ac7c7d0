import type { GroupRequest, JobDocument } from "../api/types";
import { asInput } from "../jobs/asInput";

const MAX_SEED = 2n ** 63n;

/** The same job with other seeds, in a row behind its own. */
export function variationsRequest(job: JobDocument, count: number): GroupRequest {
  const own = BigInt((job.seed ?? 0) as number | bigint);
  const next = (own + 1n) % MAX_SEED;
  const seed = next <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(next) : next;
  return {
    config: job.config,
    inputs: [{ ...asInput(job), seed }],
    count,
  } as unknown as GroupRequest;
}
