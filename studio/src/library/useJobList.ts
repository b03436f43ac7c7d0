import { keepPreviousData, useQueries, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";
import { countQuery, firstQuery, type ListQuery, PAGE, pageQuery } from "../api/jobList";
import type { JobSummary } from "../api/types";
import { type Filters, queryOf } from "./filters";

export interface JobList {
  /** How many there are; null until that is known. */
  readonly total: number | null;
  /** The one at a place, where it has come. */
  at(index: number): JobSummary | undefined;
  /** The ids at places, fetched where they have not come. */
  ids(indexes: readonly number[]): Promise<readonly string[]>;
  /** Jobs that came since, and would be above the first. */
  readonly newer: number;
  /** Begin with the newest. */
  refresh(): void;
  readonly error: Error | null;
}

const EVERY: ListQuery = {};

/** A list of jobs by place, which new jobs do not move: it ends where it began when it was opened.
 *
 * Only pages with places between `first` and `last` are fetched.
 */
export function useJobList(filters: Filters, first: number, last: number): JobList {
  const queries = useQueryClient();
  const [anchor, setAnchor] = useState<string | null>(null);
  const newest = useQuery(firstQuery(EVERY, 1));
  const found = newest.data === undefined ? null : momentAfter(newest.data[0]?.created_at);
  useEffect(() => setAnchor((before) => before ?? found), [found]);

  const query = useMemo(() => queryOf(filters, anchor), [filters, anchor]);
  const isKnown = anchor !== null;
  const count = useQuery({
    ...countQuery(query),
    enabled: isKnown,
    placeholderData: keepPreviousData,
  });
  const pages = useQueries({
    queries: numbersOf(first, last).map((page) => ({
      ...pageQuery(query, page),
      enabled: isKnown,
    })),
    combine: (results) => ({
      jobs: new Map(
        results.flatMap(({ data }, at) =>
          data === undefined ? [] : [[Math.floor(first / PAGE) + at, data] as const],
        ),
      ),
      error: results.find(({ error }) => error !== null)?.error ?? null,
    }),
  });

  const since = useMemo(() => queryOf(filters, null), [filters]);
  const isNewer = isKnown && found !== null && found > anchor;
  const newer = useQuery({
    ...countQuery({ ...since, ...(anchor !== null && { created_after: anchor }) }),
    enabled: isNewer,
  });

  const ids = useCallback(
    async (indexes: readonly number[]) => {
      const wanted = new Set(indexes.map((index) => Math.floor(index / PAGE)));
      const jobs = new Map(
        await Promise.all(
          [...wanted].map(
            async (page) => [page, await queries.ensureQueryData(pageQuery(query, page))] as const,
          ),
        ),
      );
      return indexes.flatMap(
        (index) => jobs.get(Math.floor(index / PAGE))?.[index % PAGE]?.id ?? [],
      );
    },
    [queries, query],
  );

  /** The first page is there before it takes the place of the former one, so nothing flickers. */
  const refresh = useCallback(async () => {
    if (found === null) return;
    const next = queryOf(filters, found);
    await Promise.allSettled([
      queries.prefetchQuery(pageQuery(next, 0)),
      queries.prefetchQuery(countQuery(next)),
    ]);
    setAnchor(found);
  }, [queries, filters, found]);

  return {
    total: newest.data?.length === 0 ? 0 : (count.data ?? null),
    at: (index) => pages.jobs.get(Math.floor(index / PAGE))?.[index % PAGE],
    ids,
    newer: isNewer ? (newer.data ?? 0) : 0,
    refresh,
    error: newest.error ?? count.error ?? pages.error,
  };
}

/** The pages that hold places. */
function numbersOf(first: number, last: number): readonly number[] {
  const start = Math.floor(first / PAGE);
  return Array.from({ length: Math.floor(last / PAGE) - start + 1 }, (_, at) => start + at);
}

/** The first moment behind the one that a job was made in, as the server counts them. */
function momentAfter(created: string | undefined): string | null {
  return created === undefined ? null : new Date(Date.parse(created) + 1).toISOString();
}
