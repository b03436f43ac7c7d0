import { queryOptions } from "@tanstack/react-query";
import { api, dataOf } from "./client";

/** What can be chosen changes when the operator changes it: seldom. */
const CATALOGUE = { staleTime: 60_000 };

export const stagesQuery = queryOptions({
  queryKey: ["stages"],
  queryFn: async ({ signal }) => (await dataOf(api.GET("/v1/stages", { signal }))).stages,
  ...CATALOGUE,
});

export const presetsQuery = queryOptions({
  queryKey: ["presets"],
  queryFn: async ({ signal }) => (await dataOf(api.GET("/v1/presets", { signal }))).presets,
  ...CATALOGUE,
});

export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: ({ signal }) => dataOf(api.GET("/v1/models", { signal })),
  ...CATALOGUE,
});

export function jobQuery(id: string) {
  return queryOptions({
    queryKey: ["job", id],
    queryFn: ({ signal }) =>
      dataOf(api.GET("/v1/jobs/{job_id}", { params: { path: { job_id: id } }, signal })),
  });
}

export function groupQuery(id: string) {
  return queryOptions({
    queryKey: ["group", id],
    queryFn: ({ signal }) =>
      dataOf(api.GET("/v1/groups/{group_id}", { params: { path: { group_id: id } }, signal })),
  });
}

/** A job's family by reruns. */
export function lineageQuery(id: string) {
  return queryOptions({
    queryKey: ["lineage", id],
    queryFn: ({ signal }) =>
      dataOf(api.GET("/v1/jobs/{job_id}/lineage", { params: { path: { job_id: id } }, signal })),
  });
}

/** What waits, and whether it may begin. */
export const QUEUE = ["queue"] as const;

export const queueQuery = queryOptions({
  queryKey: QUEUE,
  queryFn: ({ signal }) => dataOf(api.GET("/v1/queue", { signal })),
});

export function gridQuery(id: string) {
  return queryOptions({
    queryKey: ["grid", id],
    queryFn: ({ signal }) =>
      dataOf(api.GET("/v1/grids/{grid_id}", { params: { path: { grid_id: id } }, signal })),
  });
}
