import { useMutation, useMutationState, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, dataOf } from "../api/client";
import { LISTS } from "../api/jobList";
import { QUEUE, queueQuery } from "../api/queries";
import { UNTIL_BACK } from "../api/untilBack";
import { type Move, moved, type WaitingJob } from "./moving";

const MOVE = ["move"] as const;
/** Changes are sent one after another, as they were made, while the server is away, too. */
const IN_ORDER = { ...UNTIL_BACK, scope: { id: "queue" } };

interface Moving {
  readonly id: string;
  readonly to: Move;
}

/** The queue, and what can be done with it. */
export function useQueue() {
  const queries = useQueryClient();
  const queue = useQuery(queueQuery);
  const refetch = () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: QUEUE }),
      queries.invalidateQueries({ queryKey: LISTS }),
    ]);
  const move = useMutation({
    mutationKey: MOVE,
    ...IN_ORDER,
    mutationFn: ({ id, to }: Moving) =>
      dataOf(api.POST("/v1/jobs/{job_id}/move", { params: { path: { job_id: id } }, body: to })),
    // The order that is shown stays until the list has it. A refusal is told at once: what is read
    // after it waits for a server that is away.
    onSuccess: refetch,
    onError: () => void refetch(),
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
    ...IN_ORDER,
    mutationFn: (id: string) =>
      dataOf(api.POST("/v1/jobs/{job_id}/cancel", { params: { path: { job_id: id } } })),
    onSettled: () => void refetch(),
  });
  const cancelGroup = useMutation({
    ...IN_ORDER,
    mutationFn: (id: string) =>
      dataOf(api.POST("/v1/groups/{group_id}/cancel", { params: { path: { group_id: id } } })),
    onSettled: () => void refetch(),
  });
  const pause = useMutation({
    ...IN_ORDER,
    mutationFn: (paused: boolean) =>
      dataOf(paused ? api.POST("/v1/queue/pause") : api.POST("/v1/queue/resume")),
    onSuccess: (found) => queries.setQueryData(queueQuery.queryKey, found),
  });
  return { queue, waiting, move, cancel, cancelGroup, pause };
}
