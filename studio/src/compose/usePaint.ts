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
      const headers = { "Idempotency-Key": keyOf(toJson(draft)) };
      if (isGroup(draft)) {
        const body = groupRequestOf(draft);
        const group = await dataOf(api.POST("/v1/groups", { body, headers }));
        return routes.group(group.id);
      }
      const body = requestOf(draft);
      return routes.job((await dataOf(api.POST("/v1/jobs", { body, headers }))).id);
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
