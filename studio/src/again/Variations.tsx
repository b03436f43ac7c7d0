import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, dataOf } from "../api/client";
import { toJson } from "../api/json";
import { useRequestKey } from "../api/requestKey";
import type { JobDocument } from "../api/types";
import { routes } from "../app/routes";
import { Button } from "../ui/Button";
import { NumberField } from "../ui/fields";
import { Problems } from "../ui/Problems";
import { useNavigateFromHere } from "../ui/useNavigateFromHere";
import { variationsRequest } from "./variations";

/** The same with other seeds: all of them, and the best by the inspector first. */
export function Variations({ job }: { readonly job: JobDocument }) {
  const [count, setCount] = useState<number | null>(4);
  const navigate = useNavigateFromHere();
  const keyOf = useRequestKey();
  const send = useMutation({
    mutationFn: () => {
      const body = variationsRequest(job, count ?? 4);
      const headers = { "Idempotency-Key": keyOf(toJson(body)) };
      return dataOf(api.POST("/v1/groups", { body, headers }));
    },
    onSuccess: (group) => navigate(`${routes.group(group.id)}?order=best`),
  });
  return (
    <section className="stack" aria-label="Variations">
      <h2>Variations</h2>
      <NumberField
        label="Seeds"
        hint="The next ones behind this job's; the best comes first."
        value={count}
        onChange={setCount}
        minimum={1}
        maximum={64}
        step={1}
      />
      <Button isPending={send.isPending} onPress={() => send.mutate()}>
        Paint variations
      </Button>
      <Problems error={send.error} />
    </section>
  );
}
