import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf } from "../api/client";
import { LISTS } from "../api/jobList";
import { jobQuery } from "../api/queries";
import type { JobSummary } from "../api/types";
import { UNTIL_BACK } from "../api/untilBack";

/** Jobs that one request of deletion takes. */
const CHUNK = 1000;

export interface Deleted {
  readonly deleted: readonly string[];
  /** Why others were kept, by their ids. */
  readonly kept: Readonly<Record<string, string>>;
}

/** Changes of jobs, after which every list is asked for again. */
export function useActions() {
  const queries = useQueryClient();
  // Not awaited: a server that is away would have what was refused be told only once it is back.
  const refetch = () => void queries.invalidateQueries({ queryKey: LISTS });
  const favourite = useMutation({
    ...UNTIL_BACK,
    // One after another, as they were made.
    scope: { id: "favourite" },
    mutationFn: async ({ ids, on }: { ids: readonly string[]; on: boolean }) => {
      for (const id of ids) {
        const found = await dataOf(
          api.PATCH("/v1/jobs/{job_id}", {
            params: { path: { job_id: id } },
            body: { favourite: on },
          }),
        );
        queries.setQueriesData({ queryKey: [...LISTS, "page"] }, replacing(found));
        void queries.invalidateQueries(jobQuery(id));
      }
    },
    onSettled: refetch,
  });
  const remove = useMutation({
    mutationFn: async (ids: readonly string[]): Promise<Deleted> => {
      const deleted: string[] = [];
      const kept: Record<string, string> = {};
      for (let start = 0; start < ids.length; start += CHUNK) {
        const jobs = ids.slice(start, start + CHUNK);
        const found = await dataOf(api.POST("/v1/jobs/delete", { body: { jobs } }));
        deleted.push(...found.deleted);
        Object.assign(kept, found.kept);
      }
      return { deleted, kept };
    },
    onSettled: refetch,
  });
  return { favourite, remove };
}

/** A page of jobs with one in its newest state. */
function replacing(job: JobSummary) {
  return (page: unknown) =>
    Array.isArray(page)
      ? (page as readonly JobSummary[]).map((found) => (found.id === job.id ? job : found))
      : page;
}
