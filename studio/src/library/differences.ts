import { type Json, sameJson, toJson } from "../api/json";
import type { JobDocument } from "../api/types";
import { labelOf } from "../forms/schema";
import { stepsOf } from "../jobs/steps";

/** Something by which jobs differ: a value of each, as text; null where one has none. */
export interface Difference {
  readonly name: string;
  readonly label: string;
  readonly values: readonly (string | null)[];
}

/** What differs among jobs: prompt, seed, model, every parameter of every stage, the verdict. */
export function differencesOf(jobs: readonly JobDocument[]): readonly Difference[] {
  const facts = jobs.map(factsOf);
  const names = [...new Set(facts.flatMap((found) => [...found.keys()]))];
  return names
    .filter((name) => {
      const first = facts[0]?.get(name);
      return facts.some((found) => !sameJson(found.get(name), first));
    })
    .map((name) => ({
      name,
      label: name.split(".").map(labelOf).join(": "),
      values: facts.map((found) => textOf(found.get(name))),
    }));
}

function factsOf(job: JobDocument): ReadonlyMap<string, Json> {
  const { prompt, negative_prompt } = job.input as Readonly<Record<string, Json>>;
  const facts: (readonly [string, Json | undefined])[] = [
    ["prompt", prompt],
    ["negative_prompt", negative_prompt],
    ["seed", job.seed],
    ["model", job.model],
    ["size", job.width === null ? null : `${job.width} × ${job.height}`],
    ["decision", job.decision],
    ["score", job.score],
  ];
  for (const { name: step, params } of stepsOf(job)) {
    for (const [name, value] of Object.entries(params)) facts.push([`${step}.${name}`, value]);
  }
  return new Map(
    facts.filter(
      (fact): fact is readonly [string, Json] => fact[1] !== undefined && fact[1] !== null,
    ),
  );
}

function textOf(value: Json | undefined): string | null {
  if (value === undefined || value === null) return null;
  return typeof value === "string" ? value : toJson(value);
}
