import { useMutation } from "@tanstack/react-query";
import { api, dataOf } from "../api/client";
import { parseJson } from "../api/json";
import { randomKey } from "../api/requestKey";
import type { GroupRequest } from "../api/types";
import { routes } from "../app/routes";
import { useNavigateFromHere } from "../ui/useNavigateFromHere";
import type { Batch, Run } from "./kept";
import { fingerprint } from "./requests";

type Change = (change: (before: Batch) => Batch) => void;

/** Sends a batch's requests, each once.
 *
 * Sending them again goes on behind the last that was answered, under the same key: one whose
 * answer was lost makes no second group. What was sent whole is sent anew.
 */
export function useRun(bodies: readonly string[], run: Run | null, setBatch: Change) {
  const navigate = useNavigateFromHere();
  return useMutation({
    mutationFn: async () => {
      const print = fingerprint(bodies.join("\n"));
      const goesOn = run?.fingerprint === print && run.groups.length < bodies.length;
      let now: Run = goesOn ? run : { fingerprint: print, key: randomKey(), groups: [] };
      const keep = (next: Run) => {
        now = next;
        setBatch((before) => ({ ...before, run: next }));
      };
      keep(now);
      for (const [at, body] of bodies.entries()) {
        if (at < now.groups.length) continue;
        const group = await dataOf(
          api.POST("/v1/groups", {
            body: parseJson(body) as GroupRequest,
            headers: { "Idempotency-Key": `${now.key}-${at}` },
          }),
        );
        keep({ ...now, groups: [...now.groups, group.id] });
      }
      return now.groups;
    },
    onSuccess: ([first, ...others]) => {
      if (first !== undefined && others.length === 0) navigate(routes.group(first));
    },
  });
}
