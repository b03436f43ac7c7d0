import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, dataOf } from "../api/client";
import { parseJson, toJson } from "../api/json";
import { ApiProblem } from "../api/problem";
import type { EstimateDocument, EstimateRequest } from "../api/types";
import { type Draft, groupRequestOf, isGroup, requestOf } from "../draft/draft";
import { useSettled } from "../ui/useSettled";

/** What the server finds of a draft before it is sent. */
export interface Check {
  /** What it will take; the last that is known while a newer one is on the way. */
  readonly estimate: EstimateDocument | null;
  /** Whether the draft as it is now can be painted; `null` while nobody knows. */
  readonly holds: boolean | null;
  /** By step and parameter; `""` for the step itself, or a field of the input. */
  readonly errors: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What is wrong with the whole. */
  readonly others: readonly string[];
  /** What would not act, by step. */
  readonly warnings: Readonly<Record<string, readonly string[]>>;
}

type FieldErrors = readonly Partial<ApiProblem["errors"][number]>[];

const SETTLED = 400;

/** Have the server look at the draft as it changes. */
export function useCheck(draft: Draft): Check {
  const request = isGroup(draft) ? groupRequestOf(draft) : requestOf(draft);
  const body = draft.stages.length === 0 ? null : toJson(request);
  const asked = useSettled(body, SETTLED);
  const { data, isPlaceholderData } = useQuery({
    queryKey: ["estimate", asked],
    queryFn: async ({ signal }) => {
      const sent = parseJson(asked ?? "") as EstimateRequest;
      const estimate = await estimateOf(sent, signal);
      return { estimate, told: toldOf(sent, estimate.problems ?? []) };
    },
    placeholderData: keepPreviousData,
    enabled: asked !== null,
    staleTime: 0,
    gcTime: 30_000,
  });
  return useMemo(() => {
    const isCurrent = data !== undefined && !isPlaceholderData && asked === body;
    const warnings: Record<string, string[]> = {};
    for (const { stage, detail } of data?.estimate.warnings ?? []) {
      warnings[stage] = [...(warnings[stage] ?? []), detail];
    }
    return {
      estimate: data?.estimate ?? null,
      holds: isCurrent ? (data.estimate.problems ?? []).length === 0 : null,
      ...placed(data?.told ?? []),
      warnings,
    };
  }, [data, isPlaceholderData, asked, body]);
}

async function estimateOf(sent: EstimateRequest, signal: AbortSignal): Promise<EstimateDocument> {
  try {
    return await dataOf(api.POST("/v1/jobs/estimate", { body: sent, signal }));
  } catch (error) {
    // What is no value of its kind is refused at once, and told in the same way.
    if (!(error instanceof ApiProblem) || error.status !== 422) throw error;
    const whole = { detail: error.message, parameter: null, place: null, pointer: null };
    return { ...NOTHING, problems: error.errors.length > 0 ? [...error.errors] : [whole] };
  }
}

/** Nobody is told that the prompt is missing before one is begun, nor while a newer answer comes. */
export function toldOf(sent: Pick<EstimateRequest, "input" | "inputs">, problems: FieldErrors) {
  const isBegun = (sent.inputs ?? [sent.input]).some((input) => input?.prompt);
  return isBegun ? problems : problems.filter(({ place }) => place !== "prompt");
}

const NOTHING = { steps: [], seconds: null, weights_bytes: null, images: 0, warnings: [] };

/** Problems by the field that they are about. */
export function placed(problems: FieldErrors): Pick<Check, "errors" | "others"> {
  const errors: Record<string, Record<string, string>> = {};
  const others: string[] = [];
  for (const { detail = "", place, pointer } of problems) {
    const [step = "", parameter = ""] = pathOf(place, pointer);
    if (step === "") {
      others.push(detail);
      continue;
    }
    const text = detail.startsWith(`${place}: `) ? detail.slice(`${place}: `.length) : detail;
    const known = errors[step] ?? {};
    const said = text.charAt(0).toUpperCase() + text.slice(1);
    const lines = new Set([known[parameter], said].filter(Boolean));
    errors[step] = { ...known, [parameter]: [...lines].join(" ") };
  }
  return { errors, others };
}

/** The field that a problem is about: by its place, else by its pointer into the body. */
function pathOf(
  place: string | null | undefined,
  pointer: string | null | undefined,
): readonly (string | undefined)[] {
  const path = place?.split(".") ?? pointer?.replace(/^#\//, "").split("/") ?? [];
  const inBody = ["config", "input", "inputs"].includes(path[0] ?? "");
  const found = inBody ? path.slice(1) : path;
  return inBody && /^\d+$/.test(found[0] ?? "") ? found.slice(1) : found;
}
