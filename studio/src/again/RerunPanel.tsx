import "./RerunPanel.css";
import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { useDeferredValue, useState } from "react";
import { api, dataOf } from "../api/client";
import { toJson } from "../api/json";
import { stagesQuery } from "../api/queries";
import { useRequestKey } from "../api/requestKey";
import type { JobDocument } from "../api/types";
import { routes } from "../app/routes";
import { type Params, StageForm } from "../forms/StageForm";
import { fieldsOf, labelOf, type Schema } from "../forms/schema";
import { promptOf } from "../jobs/names";
import { stepsOf } from "../jobs/steps";
import { Button } from "../ui/Button";
import { SelectField, TextField } from "../ui/fields";
import { Problems } from "../ui/Problems";
import { useNavigateFromHere } from "../ui/useNavigateFromHere";
import { changesOf, inputOf } from "./changes";
import { PlanView } from "./PlanView";
import { rerun } from "./rerun";

/** Change any stage of a finished job, its prompt or seed, and run from there: what came before is
 * taken over. What will happen is the server's word, asked for with every change. */
export function RerunPanel({ job }: { readonly job: JobDocument }) {
  const steps = stepsOf(job);
  const stages = useQuery(stagesQuery);
  const navigate = useNavigateFromHere();
  const [from, setFrom] = useState(steps.at(-1)?.name ?? "");
  const [edited, setEdited] = useState<Readonly<Record<string, Params>>>({});
  const given = { prompt: promptOf(job), seed: String(job.seed ?? "") };
  const [prompt, setPrompt] = useState(given.prompt);
  const [seed, setSeed] = useState(given.seed);

  const defaultOf = (stage: string, parameter: string) => {
    const schema = stages.data?.find(({ name }) => name === stage)?.params as Schema | undefined;
    return fieldsOf(schema ?? {}).find(({ name }) => name === parameter)?.default ?? null;
  };
  const changes = changesOf(steps, edited, defaultOf);
  const input = inputOf({ prompt, seed }, given);
  // Another prompt or seed begins at the stage that reads it: the server knows which.
  const begin = Object.keys(input).length > 0 ? {} : { from_stage: from };
  const body = { ...begin, changes, input };
  const planned = useDeferredValue(toJson(body));
  const plan = useQuery({
    queryKey: ["rerun-plan", job.id, planned],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      dataOf(
        api.POST("/v1/jobs/{job_id}/rerun/plan", {
          params: { path: { job_id: job.id } },
          body: body as never,
          signal,
        }),
      ),
  });
  const keyOf = useRequestKey();
  const send = useMutation({
    mutationFn: () => rerun(job, body, keyOf),
    onSuccess: (made) => navigate(routes.job(made.id)),
  });
  const step = steps.find(({ name }) => name === from);
  const stage = stages.data?.find(({ name }) => name === step?.stage);
  return (
    <div className="stack">
      <SelectField
        label="Run again from"
        value={from}
        onChange={setFrom}
        choices={steps.map(({ name }) => ({ id: name, label: labelOf(name) }))}
      />
      <PlanView plan={plan.data} />
      <Button kind="primary" isPending={send.isPending} onPress={() => send.mutate()}>
        Run again
      </Button>
      <Problems error={send.error ?? plan.error} />
      {stage !== undefined && step !== undefined && (
        <StageForm
          stage={stage}
          params={edited[from] ?? step.params}
          base={step.params}
          onChange={(name, value) =>
            setEdited((before) => {
              const { [name]: _, ...others } = before[from] ?? step.params;
              const params = value === undefined ? others : { ...others, [name]: value };
              return { ...before, [from]: params };
            })
          }
        />
      )}
      <TextField label="Prompt" rows={3} value={prompt} onChange={setPrompt} />
      <TextField
        label="Seed"
        hint="Empty: the job's own."
        value={seed}
        onChange={setSeed}
        error={/^\s*\d*\s*$/.test(seed) ? undefined : "A seed is a whole number."}
      />
    </div>
  );
}
