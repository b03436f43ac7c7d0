import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useLocation, useSearch } from "wouter";
import type { Json } from "../api/json";
import { ApiProblem } from "../api/problem";
import { jobQuery } from "../api/queries";
import type { JobDocument } from "../api/types";
import { type Config, type Draft, EMPTY, type Source, withConfig } from "../draft/draft";
import { labelOf } from "../forms/schema";
import { asInput } from "../jobs/asInput";
import { sourceQuery } from "./sources";

interface Taken {
  readonly draft: Draft;
  /** What could not be taken over, and why. */
  readonly notes: readonly string[];
}

/** Begin from an existing job where the address says `?from=JOB`: once, then the address is the
 * draft's again. */
export function useFrom(onTaken: (draft: Draft, notes: readonly string[]) => void): unknown {
  const from = new URLSearchParams(useSearch()).get("from");
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const [failed, setFailed] = useState<unknown>(null);
  const { data, error } = useQuery({ ...jobQuery(from ?? ""), enabled: from !== null });
  useEffect(() => {
    if (from === null || data === undefined) return;
    let current = true;
    const has = async (source: Source) => {
      try {
        await queries.fetchQuery(sourceQuery(source));
        return true;
      } catch (problem) {
        if (problem instanceof ApiProblem && problem.missing) return false;
        throw problem;
      }
    };
    takeOver(data, has)
      .then(({ draft, notes }) => {
        if (!current) return;
        onTaken(draft, notes);
        navigate("/", { replace: true });
      })
      .catch((problem: unknown) => current && setFailed(problem));
    return () => {
      current = false;
    };
  }, [from, data, queries, navigate, onTaken]);
  return from === null ? null : (error ?? failed);
}

/** What of an input a draft holds. */
const HELD = new Set([
  "prompt",
  "negative_prompt",
  "model",
  "seed",
  "image",
  "mask",
  "references",
  "control_images",
]);

/** A job as a draft; what it started from is taken over as its files, where they are still there. */
export async function takeOver(
  job: Pick<JobDocument, "config" | "input" | "id">,
  has: (source: Source) => Promise<boolean>,
): Promise<Taken> {
  const input = asInput(job);
  const base = withConfig({ ...EMPTY, preset: "" }, job.config as unknown as Config);
  const notes: string[] = [];
  const kept = async (
    given: unknown,
    label: string,
    remedy = "choose it again",
  ): Promise<Source | null> => {
    if (given === undefined) return null;
    const source = given as Source;
    if (await has(source)) return source;
    notes.push(`The ${label} of ${job.id} is not there any more: ${remedy}.`);
    return null;
  };
  const references: (Source | null)[] = [];
  for (const [index, given] of ((input["references"] ?? []) as readonly Json[]).entries()) {
    references.push(await kept(given, `reference ${index + 1}`));
  }
  const controlImages: Record<string, Source> = {};
  for (const [name, given] of Object.entries(input["control_images"] ?? {})) {
    const source = await kept(given, `picture ${name}`, "name another in “control”");
    if (source !== null) controlImages[name] = source;
  }
  for (const name of Object.keys(input).filter((found) => !HELD.has(found))) {
    notes.push(`${labelOf(name)} of ${job.id} cannot be composed here, and is left out.`);
  }
  const draft: Draft = {
    ...base,
    prompt: text(input["prompt"]) ?? base.prompt,
    negativePrompt: text(input["negative_prompt"]) ?? base.negativePrompt,
    model: text(input["model"]) ?? base.model,
    seed: (input["seed"] as Draft["seed"] | undefined) ?? base.seed,
    image: await kept(input["image"], "source picture"),
    mask: await kept(input["mask"], "mask"),
    references: references.filter((source) => source !== null),
    controlImages,
  };
  return { draft, notes };
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
