import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { followActivity, type Message } from "./activity";
import { LISTS } from "./jobList";
import { later } from "./later";
import { LiveStore } from "./liveStore";
import { jobQuery, QUEUE } from "./queries";

export type { LiveJob, StageProgress } from "./liveStore";

const store = new LiveStore();

/** Milliseconds between two refetches of lists, however much happens. */
const PAUSE = 1000;
/** What does not change by what happens to jobs. */
const LASTING: ReadonlySet<unknown> = new Set(["session", "stages", "presets", "models"]);

/** Have everything that the page shows follow what happens; once, around all pages.
 *
 * `who` tells apart whose events they are; null: nobody's, yet.
 */
export function useActivity(who: string | null): void {
  const queries = useQueryClient();
  useEffect(() => {
    if (who === null) return;
    const lists = later(PAUSE, () => {
      void queries.invalidateQueries({ queryKey: LISTS });
      void queries.invalidateQueries({ queryKey: QUEUE });
      void queries.invalidateQueries({ queryKey: ["group"] });
      void queries.invalidateQueries({ queryKey: ["grid"] });
      void queries.invalidateQueries({ queryKey: ["lineage"] });
    });
    const stop = followActivity(who, (message) => receive(message, queries, lists.run));
    return () => {
      stop();
      lists.cancel();
      store.clear();
    };
  }, [queries, who]);
}

/** Progress and previews of a job while it runs. */
export function useLiveJob(id: string) {
  return useSyncExternalStore(store.subscribe, () => store.job(id));
}

/** Whether events come; `false` while the connection is lost and tried again. */
export function useConnected(): boolean {
  return useSyncExternalStore(store.subscribe, () => store.connected);
}

function receive(message: Message, queries: QueryClient, lists: () => void): void {
  if (message.kind === "connected") {
    store.setConnected(message.connected);
    return;
  }
  if (message.kind === "ended") {
    // Most likely the session: whoever shows it asks for a key.
    if (message.status === 401) void queries.invalidateQueries({ queryKey: ["session"] });
    return;
  }
  const job = store.receive(message.event);
  const { name } = message.event;
  if (name === "ready" || name === "reset") {
    // What was fetched before may miss what happened before this event.
    void queries.invalidateQueries({ predicate: ({ queryKey }) => !LASTING.has(queryKey[0]) });
    return;
  }
  const isProgress = name === "stage_progressed" || name === "preview_available";
  if (job !== null && !isProgress) {
    void queries.invalidateQueries({ queryKey: jobQuery(job).queryKey });
  }
  if (!name.startsWith("stage_") && !isProgress) lists();
}
