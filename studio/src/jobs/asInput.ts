import type { Json } from "../api/json";
import type { JobSummary } from "../api/types";

/** What a job was asked for, as the input of another one, which takes its pictures over. */
export function asInput(job: Pick<JobSummary, "id" | "input">): Readonly<Record<string, Json>> {
  const given = Object.entries(job.input as Readonly<Record<string, Json>>);
  return Object.fromEntries(
    given
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([name, value]) => [name, takenOver(job.id, value)]),
  );
}

/** A value of an input, whose files are those of the job. */
function takenOver(job: string, value: Json): Json {
  if (Array.isArray(value)) return value.map((item: Json) => takenOver(job, item));
  if (typeof value !== "object" || value === null) return value;
  const parts = value as Readonly<Record<string, Json>>;
  if (typeof parts["name"] === "string" && "sha256" in parts) return { job, name: parts["name"] };
  return Object.fromEntries(
    Object.entries(parts).map(([name, item]) => [name, takenOver(job, item)]),
  );
}
