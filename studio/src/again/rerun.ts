import { api, dataOf } from "../api/client";
import { toJson } from "../api/json";
import type { JobDocument } from "../api/types";

/** Where a rerun begins, and what it changes; without a stage it begins at the first that changes. */
export interface RerunBody {
  readonly from_stage?: string | undefined;
  readonly changes: unknown;
  readonly input?: unknown;
}

/** Run a job again; the same body is sent under the same key, which `keyOf` has for it. */
export function rerun(
  job: JobDocument,
  body: RerunBody,
  keyOf: (body: string) => string,
): Promise<JobDocument> {
  return dataOf(
    api.POST("/v1/jobs/{job_id}/rerun", {
      params: { path: { job_id: job.id } },
      headers: { "Idempotency-Key": keyOf(toJson(body)) },
      body: body as never,
    }),
  );
}
