import { useQuery } from "@tanstack/react-query";
import { jobQuery, lineageQuery } from "../api/queries";
import type { JobDocument } from "../api/types";

/** The job that this one was made from; `undefined` where there is none, or it was deleted: then
 * it is not asked for. */
export function useParent(job: JobDocument | undefined): JobDocument | undefined {
  const id = job?.parent ?? null;
  const family = useQuery({ ...lineageQuery(job?.id ?? ""), enabled: id !== null });
  const isThere = family.data?.jobs.some((version) => version.id === id && version.job !== null);
  return useQuery({ ...jobQuery(id ?? ""), enabled: isThere === true }).data;
}
