import { queryOptions } from "@tanstack/react-query";
import { api, dataOf } from "./client";
import type { paths } from "./schema";

/** What `GET /v1/jobs` is asked for, without the part of the list. */
export type ListQuery = Omit<
  NonNullable<paths["/v1/jobs"]["get"]["parameters"]["query"]>,
  "limit" | "cursor" | "offset" | "count"
>;

/** Jobs that one request of the gallery brings. */
export const PAGE = 60;
/** Milliseconds that pages out of sight are kept: a long scroll must not fill the memory. */
const KEPT = 30_000;

/** All lists of jobs begin with this; whatever changes a job makes them stale. */
export const LISTS = ["jobs"] as const;

/** A page of a list, the newest first. */
export function pageQuery(query: ListQuery, page: number) {
  return queryOptions({
    queryKey: [...LISTS, "page", query, page],
    queryFn: async ({ signal }) =>
      (await list({ ...query, offset: page * PAGE, limit: PAGE }, signal)).jobs,
    gcTime: KEPT,
  });
}

/** How many jobs a list has. */
export function countQuery(query: ListQuery) {
  return queryOptions({
    queryKey: [...LISTS, "count", query],
    queryFn: async ({ signal }) => (await list({ ...query, limit: 1, count: true }, signal)).total,
  });
}

/** The first jobs of a list. */
export function firstQuery(query: ListQuery, limit: number) {
  return queryOptions({
    queryKey: [...LISTS, "first", query, limit],
    queryFn: async ({ signal }) => (await list({ ...query, limit }, signal)).jobs,
  });
}

function list(
  query: NonNullable<paths["/v1/jobs"]["get"]["parameters"]["query"]>,
  signal: AbortSignal,
) {
  return dataOf(api.GET("/v1/jobs", { params: { query }, signal }));
}
