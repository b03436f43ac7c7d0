import type { JobDocument, JobSummary } from "../api/types";

/** The prompt of a job, its own or that of its config, as far as it is known; else empty. */
export function promptOf(
  job: Pick<JobSummary, "input"> & Partial<Pick<JobDocument, "config">>,
): string {
  return String(job.input["prompt"] ?? job.config?.["prompt"] ?? "");
}

/** What a job is called where there is little room: its prompt, else its id. */
export function nameOf(job: Pick<JobSummary, "id" | "input">): string {
  return promptOf(job) || job.id;
}
