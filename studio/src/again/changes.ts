import { type Integer, type Json, sameJson } from "../api/json";
import type { Params } from "../forms/StageForm";
import type { Step } from "../jobs/steps";

/** What a rerun sends: parameters by `step.parameter`, only those that differ from the job's. One
 * that was taken out has its default again, which is what `defaultOf` a stage's parameter tells. */
export function changesOf(
  steps: readonly Step[],
  edited: Readonly<Record<string, Params>>,
  defaultOf: (stage: string, parameter: string) => Json,
): Readonly<Record<string, Json>> {
  const changes: Record<string, Json> = {};
  for (const { name, stage, params } of steps) {
    const now = edited[name];
    if (now === undefined) continue;
    for (const parameter of new Set([...Object.keys(params), ...Object.keys(now)])) {
      const given = now[parameter];
      const value = given === undefined ? defaultOf(stage, parameter) : given;
      if (!sameJson(value, params[parameter])) changes[`${name}.${parameter}`] = value;
    }
  }
  return changes;
}

interface Asked {
  readonly prompt: string;
  /** As typed: digits, or nothing for the job's own. */
  readonly seed: string;
}

/** What of prompt and seed is another than the job's. A seed that is no number is sent as it was
 * typed: the server says what is wrong with it. */
export function inputOf(now: Asked, before: Asked): Readonly<Record<string, Json>> {
  return {
    ...(now.prompt !== before.prompt && { prompt: now.prompt }),
    ...(now.seed.trim() !== "" && now.seed !== before.seed && { seed: seedOf(now.seed.trim()) }),
  };
}

function seedOf(text: string): Integer | string {
  if (!/^\d+$/.test(text)) return text;
  const seed = BigInt(text);
  return seed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seed) : seed;
}
