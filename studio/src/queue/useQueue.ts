import { useMutation, useMutationState, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, dataOf } from "../api/client";
import { LISTS } from "../api/jobList";
import { QUEUE, queueQuery } from "../api/queries";
import { type Move, moved, type WaitingJob } from "./moving";

const MOVE = ["move"] as const;

interface Moving {
  readonly id: string;
  readonly to: Move;
}

/** The queue, and what can be done with it. */
export function useQueue() {
  const queries = useQueryClient();
  const queue = useQuery(queueQuery);
  const refetch = async () => {
    await Promise.all([
      queries.invalidateQueries({ queryKey: QUEUE }),
      queries.invalidateQueries({ queryKey: LISTS }),
    ]);
  };
  const move = useMutation({
    mutationKey: MOVE,
    // One after another, as they were made.
    scope: { id: "queue" },
    mutationFn: ({ id, to }: Moving) =>
      dataOf(api.POST("/v1/jobs/{job_id}/move", { params: { path: { job_id: id } }, body: to })),
    onSettled: refetch,
  });
  // The list is in its new order at once, whatever is read meanwhile; what is refused comes back.
  const moves = useMutationState({
    filters: { mutationKey: MOVE, status: "pending" },
    select: ({ state }) => state.variables as Moving,
  });
  const listed = queue.data?.waiting;
  const waiting = useMemo(
    () =>
      moves.reduce<readonly WaitingJob[]>((jobs, { id, to }) => moved(jobs, id, to), listed ?? []),
    [moves, listed],
  );
  const cancel = useMutation({
    mutationFn: (id: string) =>
      dataOf(api.POST("/v1/jobs/{job_id}/cancel", { params: { path: { job_id: id } } })),
    onSettled: refetch,
  });
  const cancelGroup = useMutation({
    mutationFn: (id: string) =>
      dataOf(api.POST("/v1/groups/{group_id}/cancel", { params: { path: { group_id: id } } })),
    onSettled: refetch,
  });
  const pause = useMutation({
    mutationFn: (paused: boolean) =>
      dataOf(paused ? api.POST("/v1/queue/pause") : api.POST("/v1/queue/resume")),
    onSuccess: (found) => queries.setQueryData(queueQuery.queryKey, found),
  });
  return { queue, waiting, move, cancel, cancelGroup, pause };
}
