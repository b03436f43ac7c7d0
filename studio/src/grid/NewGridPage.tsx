import { PageHeading } from "../ui/PageHeading";
import { Pending } from "../ui/Pending";
import { useNavigateFromHere } from "../ui/useNavigateFromHere";
import "./grid.css";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useSearchParams } from "wouter";
import { api, dataOf } from "../api/client";
import { parseJson, toJson } from "../api/json";
import { jobQuery, modelsQuery, presetsQuery, stagesQuery } from "../api/queries";
import { useRequestKey } from "../api/requestKey";
import type { EstimateRequest } from "../api/types";
import { routes } from "../app/routes";
import { isGroup, requestOf } from "../draft/draft";
import { readDraft } from "../draft/draftAddress";
import { Cost } from "../jobs/Cost";
import { Button } from "../ui/Button";
import { Problems } from "../ui/Problems";
import { useSettled } from "../ui/useSettled";
import { AxisField, parameterOf } from "./AxisField";
import { type Axis, parametersOf, valuesOf } from "./axes";
import { type Base, baseOf, gridRequestOf, picturesText } from "./request";

/** A grid to be: over the job of the address (`?job=`), or what is being composed. */
export default function NewGridPage() {
  const [search] = useSearchParams();
  const id = search.get("job");
  const query = useQuery({ ...jobQuery(id ?? ""), enabled: id !== null });
  const [draft] = useState(() => readDraft(location.hash));
  if (id === null) {
    return <NewGrid base={requestOf(draft)} note={isGroup(draft) ? ONE_A_CELL : ""} />;
  }
  if (query.data === undefined) {
    return <Pending error={query.error} title="This job cannot be shown" />;
  }
  return <NewGrid base={baseOf(query.data)} note="" />;
}

const ONE_A_CELL =
  "A cell is one image: the number of images, or one for every way to read the prompt, is left out.";

interface Props {
  readonly base: Base;
  /** What of it a grid does not take over. */
  readonly note: string;
}

/** Both axes, which the address holds, and what the cells will cost. */
function NewGrid({ base, note }: Props) {
  const [search, setSearch] = useSearchParams();
  const navigate = useNavigateFromHere();
  const stages = useQuery(stagesQuery);
  const presets = useQuery(presetsQuery);
  const models = useQuery(modelsQuery);
  const config = base.config ?? presets.data?.find(({ name }) => name === base.preset)?.config;
  const parameters = parametersOf(
    { config: config ?? {} },
    stages.data ?? [],
    models.data?.loras ?? [],
  );
  const starts = picturesText(base.input);
  const axisOf = (name: "x" | "y"): Axis | null => {
    const found = parameterOf(parameters, search.get(name) ?? "");
    if (found === undefined) return null;
    const { values } = valuesOf(found.field, search.get(`${name}s`) ?? "");
    return values.length === 0 ? null : { parameter: found.name, values };
  };
  const [x, y] = [axisOf("x"), axisOf("y")];
  // A parameter was chosen for the rows, and nothing may be left out in silence.
  const isHalf = y === null && (search.get("y") ?? "") !== "";
  const cells = x === null ? 0 : x.values.length * (y?.values.length ?? 1);

  const body = useSettled(x === null ? "" : toJson(gridRequestOf(base, x, y)), 400);
  const estimate = useQuery({
    queryKey: ["estimate", body],
    enabled: body !== "" && cells > 0,
    retry: false,
    queryFn: ({ signal }) =>
      dataOf(api.POST("/v1/jobs/estimate", { body: parseJson(body) as EstimateRequest, signal })),
  });
  const keyOf = useRequestKey();
  const send = useMutation({
    mutationFn: async () => {
      if (x === null) throw new Error("Choose a parameter for the columns, and its values.");
      if (isHalf) throw new Error("The rows have no values yet. Give some, or clear the rows.");
      const body = gridRequestOf(base, x, y);
      const headers = { "Idempotency-Key": keyOf(toJson(body)) };
      return dataOf(api.POST("/v1/grids", { body, headers }));
    },
    onSuccess: (grid) => navigate(routes.grid(grid.id)),
  });
  const set = (name: string) => (typed: string) =>
    setSearch(
      (before) => {
        if (before.get(name) === typed) return before;
        if (typed === "") before.delete(name);
        else before.set(name, typed);
        // Values of one parameter are none of another.
        if (name.length === 1) before.delete(`${name}s`);
        return before;
      },
      { replace: true },
    );
  const problems = (estimate.data?.problems ?? []).map(({ detail }) => detail);
  return (
    <article className="stack new-grid">
      <PageHeading title="A grid over two parameters" />
      <p className="muted">{base.input.prompt ?? String(config?.["prompt"] ?? "")}</p>
      {note !== "" && <p className="small">{note}</p>}
      {starts !== "" && <p className="small">{`Every cell starts from ${starts}.`}</p>}
      <div className="axes">
        {(["x", "y"] as const).map((name) => (
          <AxisField
            key={name}
            label={name === "x" ? "Columns" : "Rows"}
            parameters={parameters}
            parameter={search.get(name) ?? ""}
            values={search.get(`${name}s`) ?? ""}
            onParameter={set(name)}
            onValues={set(`${name}s`)}
          />
        ))}
      </div>
      {problems.length > 0 && (
        <Problems
          error={new Error(problems.slice(0, 5).join(" "))}
          title="Some cells do not hold"
        />
      )}
      <Problems
        error={send.error ?? estimate.error ?? stages.error ?? presets.error ?? models.error}
      />
      <div className="row">
        <Button kind="primary" isPending={send.isPending} onPress={() => send.mutate()}>
          {cells > 0 ? `Paint ${cells.toLocaleString()} cells` : "Paint the grid"}
        </Button>
        {cells > 0 && estimate.data !== undefined && problems.length === 0 && (
          <Cost estimate={estimate.data} />
        )}
      </div>
    </article>
  );
}
