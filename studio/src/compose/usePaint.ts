import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf } from "../api/client";
import { toJson } from "../api/json";
import { ApiProblem } from "../api/problem";
import { modelsQuery } from "../api/queries";
import { useRequestKey } from "../api/requestKey";
import { routes } from "../app/routes";
import { type Draft, groupRequestOf, isGroup, requestOf } from "../draft/draft";
import { useNavigateFromHere } from "../ui/useNavigateFromHere";

/** Sends the draft, and goes to what it became: a job, or a group for several. */
export function usePaint() {
  const queries = useQueryClient();
  const navigate = useNavigateFromHere();
  const keyOf = useRequestKey();
  return useMutation({
    mutationFn: async (draft: Draft) => {
      // The request is the key's, for the same draft is written in another way after a reload.
      const headers = (body: unknown) => ({ "Idempotency-Key": keyOf(toJson(body)) });
      if (isGroup(draft)) {
        const body = groupRequestOf(draft);
        const group = await dataOf(api.POST("/v1/groups", { body, headers: headers(body) }));
        return routes.group(group.id);
      }
      const body = requestOf(draft);
      const job = await dataOf(api.POST("/v1/jobs", { body, headers: headers(body) }));
      return routes.job(job.id);
    },
    onSuccess: (place) => navigate(place),
    // What is here may have changed: a model that was removed, say.
    onError: (error) => {
      if (error instanceof ApiProblem && error.status === 422) {
        void queries.invalidateQueries({ queryKey: modelsQuery.queryKey });
      }
    },
  });
}
