import type { Json } from "../api/json";
import type { JobRequest, PresetDocument } from "../api/types";
import { configOf, inputOf, recipeOf, STANDARD } from "../draft/draft";
import { readDraft } from "../draft/draftAddress";
import type { RowInput } from "./requests";

/** In a preset's place: what is on the page where one image is composed. No preset has a space. */
export const COMPOSED = "as composed";

/** What the rows of a batch have in common. */
export interface Shared {
  /** The pipeline, as a request names it. */
  readonly recipe: Pick<JobRequest, "config" | "preset">;
  /** Whether each row makes one image for every way to read its prompt. */
  readonly variants: boolean;
  /** What is asked for where a row says nothing of it. */
  readonly input: RowInput;
  /** Names of the stages; `undefined` until they are known. */
  readonly stages: readonly string[] | undefined;
}

/** What rows that run through a preset, or as composed, have in common. */
export function sharedOf(chosen: string, presets: readonly PresetDocument[]): Shared {
  const stagesOf = (preset: string) => {
    const config = presets.find(({ name }) => name === preset)?.config;
    return config && namesOf(config as { readonly stages: readonly Named[] });
  };
  if (chosen !== COMPOSED) {
    return { recipe: { preset: chosen }, variants: false, input: {}, stages: stagesOf(chosen) };
  }
  const draft = readDraft("");
  const { prompt, ...others } = inputOf(draft) as Record<string, Json>;
  return {
    recipe: recipeOf(draft),
    variants: draft.variants,
    input: prompt === "" ? others : { prompt: prompt ?? null, ...others },
    stages: draft.stages.length > 0 ? namesOf(configOf(draft)) : stagesOf(draft.preset || STANDARD),
  };
}

interface Named {
  readonly stage: string;
}

function namesOf({ stages }: { readonly stages: readonly Named[] }): readonly string[] {
  return stages.map(({ stage }) => stage);
}
