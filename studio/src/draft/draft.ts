import { type Integer, type Json, sameJson } from "../api/json";
import type { GroupRequest, JobRequest, StageDocument } from "../api/types";
import { stepNames } from "../forms/stepNames";

/** Parameters of one stage, as the config has them. */
export interface DraftStage {
  /** Of this page alone: which card it is. */
  readonly id: number;
  readonly stage: string;
  readonly params: Readonly<Record<string, Json>>;
  readonly on_error?: "stop" | "skip";
  /** Whether it is left out of what is sent; what was set for it is kept. */
  readonly off?: boolean;
  /** Parameters that it began with: what a change is told from. */
  readonly base?: Readonly<Record<string, Json>>;
}

/** A picture to start from: the id of an upload, or a file of a job. */
export type Source = string | { readonly job: string; readonly name: string };

/** What is typed and chosen before a job is: a config and an input. */
export interface Draft {
  /** The preset that it began as; empty where it began as something else. */
  readonly preset: string;
  readonly stages: readonly DraftStage[];
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly model: string | null;
  /** `null` takes a random one; what is typed and no number is a text. */
  readonly seed: Integer | string | null;
  readonly image: Source | null;
  readonly mask: Source | null;
  readonly references: readonly Source[];
  /** Pictures that `control` of stages names, by those names; others are names of uploads. */
  readonly controlImages: Readonly<Record<string, Source>>;
  /** Images to make, with seeds in a row; what is typed and no number is a text. */
  readonly count: number | string;
  /** Whether to make one for every way to read the prompt. */
  readonly variants: boolean;
  /** What else a config says of the whole: its description, a model's components. */
  readonly others: Readonly<Record<string, Json>>;
}

export interface Config {
  readonly stages: readonly {
    readonly stage: string;
    readonly params?: Readonly<Record<string, Json>>;
    readonly on_error?: "stop" | "skip";
  }[];
  readonly model?: string | null;
  readonly prompt?: string | null;
  readonly negative_prompt?: string | null;
  readonly seed?: Integer | null;
}

/** The preset of whoever chose none. */
export const STANDARD = "standard";

export const EMPTY: Draft = {
  preset: STANDARD,
  stages: [],
  prompt: "",
  negativePrompt: "",
  model: null,
  seed: null,
  image: null,
  mask: null,
  references: [],
  controlImages: {},
  count: 1,
  variants: false,
  others: {},
};

/** The draft with the stages of a preset; what is asked for stays. */
export function withPreset(draft: Draft, preset: string, config: Config): Draft {
  return { ...draft, preset, stages: stagesOf(config), others: {} };
}

/** The draft that a config stands for, which says all of it but files and numbers of images. */
export function withConfig(draft: Draft, config: Config): Draft {
  const { stages: _, prompt, negative_prompt, model, seed, ...others } = config;
  return {
    ...draft,
    stages: stagesOf(config),
    prompt: prompt ?? "",
    negativePrompt: negative_prompt ?? "",
    model: model ?? null,
    seed: seed ?? null,
    others,
  };
}

/** The draft with an edited config: cards stay what they were, those that are off where they were,
 * and changes are told from what they were told from. */
export function withEdited(draft: Draft, config: Config): Draft {
  const edited = withConfig(draft, config);
  const kept = [...draft.stages];
  const stages: DraftStage[] = [];
  for (const stage of edited.stages) {
    const index = kept.findIndex((card) => card.off !== true && card.stage === stage.stage);
    if (index < 0) {
      stages.push({ ...stage, id: freshId([...draft.stages, ...stages]), base: {} });
      continue;
    }
    stages.push(...kept.splice(0, index).filter(({ off }) => off === true));
    const [card] = kept.splice(0, 1);
    if (card !== undefined) stages.push({ ...stage, id: card.id, ...baseOf(card) });
  }
  stages.push(...kept.filter(({ off }) => off === true));
  return { ...edited, stages };
}

/** The draft with a card for each of the nine stages: those that it lacks are off, in their place. */
export function withAllCards(draft: Draft, known: readonly StageDocument[]): Draft {
  const nine = known.filter(({ optional }) => !optional).map(({ name }) => name);
  const stages = [...draft.stages];
  for (const [rank, name] of nine.entries()) {
    if (stages.some(({ stage }) => stage === name)) continue;
    const later = nine.slice(rank + 1);
    const place = stages.findIndex(({ stage }) => later.includes(stage));
    stages.splice(place < 0 ? stages.length : place, 0, {
      id: freshId(stages),
      stage: name,
      params: {},
      off: true,
    });
  }
  return stages.length === draft.stages.length ? draft : { ...draft, stages };
}

/** The draft with one parameter set; `undefined` takes it out. */
export function withParameter(
  draft: Draft,
  id: number,
  name: string,
  value: Json | undefined,
): Draft {
  return changeStage(draft, id, (stage) => {
    const { [name]: _, ...others } = stage.params;
    return { ...stage, params: value === undefined ? others : { ...others, [name]: value } };
  });
}

/** The draft with a stage left out, or in again. */
export function withStage(draft: Draft, id: number, on: boolean): Draft {
  return changeStage(draft, id, (stage) => ({ ...stage, off: !on }));
}

/** The draft with a step that is skipped where it fails, or stops the job. */
export function withErrorsOf(draft: Draft, id: number, on_error: "stop" | "skip"): Draft {
  return changeStage(draft, id, (stage) => ({ ...stage, on_error }));
}

/** The draft with another stage behind a card; behind the last for none. */
export function withAdded(draft: Draft, stage: string, after: number | null): Draft {
  const stages = [...draft.stages];
  const place = stages.findIndex(({ id }) => id === after);
  stages.splice(place < 0 ? stages.length : place + 1, 0, {
    id: freshId(stages),
    stage,
    params: {},
  });
  return { ...draft, stages };
}

/** The draft without a card. */
export function withoutStage(draft: Draft, id: number): Draft {
  return { ...draft, stages: draft.stages.filter((stage) => stage.id !== id) };
}

/** The draft with a card one place earlier or later. */
export function withMoved(draft: Draft, id: number, by: 1 | -1): Draft {
  const stages = [...draft.stages];
  const from = stages.findIndex((stage) => stage.id === id);
  const [card] = stages.splice(from, 1);
  if (card === undefined || from + by < 0) return draft;
  stages.splice(from + by, 0, card);
  return { ...draft, stages };
}

function changeStage(draft: Draft, id: number, change: (stage: DraftStage) => DraftStage): Draft {
  return {
    ...draft,
    stages: draft.stages.map((stage) => (stage.id === id ? change(stage) : stage)),
  };
}

function stagesOf(config: Config): readonly DraftStage[] {
  return config.stages.map(({ stage, params = {}, on_error }, id) => ({
    id,
    stage,
    params,
    base: params,
    ...(on_error !== undefined && { on_error }),
  }));
}

function baseOf({ base }: DraftStage): Pick<DraftStage, "base"> {
  return base === undefined ? {} : { base };
}

function freshId(stages: readonly DraftStage[]): number {
  return Math.max(-1, ...stages.map(({ id }) => id)) + 1;
}

/** The names of steps, as problems have them, by their cards; those that are off have none. */
export function stepsOf(draft: Draft): ReadonlyMap<number, string> {
  const on = draft.stages.filter(({ off }) => off !== true);
  const names = stepNames(on.map(({ stage }) => stage));
  return new Map(on.map(({ id, stage }, at) => [id, names[at] ?? stage]));
}

/** Whether its stages are those that it began with. */
export function isAsPreset(draft: Draft, preset: Config): boolean {
  return sameJson(configStages(draft), configStages({ ...EMPTY, stages: stagesOf(preset) }));
}

function configStages(draft: Draft): Config["stages"] {
  return draft.stages
    .filter((stage) => stage.off !== true)
    .map(({ stage, params, on_error }) => ({
      stage,
      ...(Object.keys(params).length > 0 && { params }),
      ...(on_error !== undefined && on_error !== "stop" && { on_error }),
    }));
}

/** The config that the draft stands for: without stages that are off, with what is asked for. */
export function configOf(draft: Draft): Config {
  return {
    ...draft.others,
    ...(draft.prompt !== "" && { prompt: draft.prompt }),
    ...(draft.negativePrompt !== "" && { negative_prompt: draft.negativePrompt }),
    ...(draft.model !== null && { model: draft.model }),
    ...(draft.seed !== null && { seed: draft.seed as Integer }),
    stages: configStages(draft),
  };
}

/** The config without what is asked for, which goes into the input. */
function pipelineOf(draft: Draft): NonNullable<JobRequest["config"]> {
  const components = draft.others["components"];
  return {
    ...draft.others,
    // A config's components are those of the model beside them.
    ...(components !== undefined && components !== null && { model: draft.model }),
    stages: configStages(draft),
  } as unknown as NonNullable<JobRequest["config"]>;
}

/** The pipeline to send: the preset by its name while its stages have not been loaded yet. */
export function recipeOf(draft: Draft): Pick<JobRequest, "config" | "preset"> {
  if (draft.stages.length > 0) return { config: pipelineOf(draft) };
  return { preset: draft.preset || STANDARD };
}

/** Whether a draft asks for what was sent: a preset that has been loaded since changes nothing. */
export function asksTheSame(draft: Draft, sent: Draft): boolean {
  const stages = sent.stages.length === 0 ? [] : draft.stages;
  return sameJson({ ...draft, stages }, sent);
}

/** What is sent for one image. */
export function requestOf(draft: Draft): JobRequest {
  return { ...recipeOf(draft), input: inputOf(draft) } as JobRequest;
}

/** What is sent for several images. */
export function groupRequestOf(draft: Draft): GroupRequest {
  const { variants } = draft;
  const count = draft.count === "" ? 1 : draft.count;
  return { ...recipeOf(draft), inputs: [inputOf(draft)], count, variants } as GroupRequest;
}

/** The pictures that `control` of its stages names. */
export function controlImagesOf(draft: Draft): readonly (readonly [string, Source])[] {
  const named = new Set(
    configStages(draft)
      .flatMap(({ params }) => params?.["control"] ?? [])
      .map((entry) => (entry as Readonly<Record<string, Json>> | null)?.["image"]),
  );
  return Object.entries(draft.controlImages).filter(([name]) => named.has(name));
}

/** Whether it asks for more than one image. */
export function isGroup(draft: Draft): boolean {
  return (draft.count !== 1 && draft.count !== "") || draft.variants;
}

/** What is asked for, as a request's input has it. */
export function inputOf(draft: Draft): JobRequest["input"] {
  const pictures = controlImagesOf(draft);
  return {
    prompt: draft.prompt,
    ...(draft.negativePrompt !== "" && { negative_prompt: draft.negativePrompt }),
    ...(draft.model !== null && { model: draft.model }),
    ...(draft.seed !== null && { seed: draft.seed as number }),
    ...(draft.image !== null && { image: draft.image }),
    ...(draft.mask !== null && { mask: draft.mask }),
    ...(draft.references.length > 0 && { references: [...draft.references] }),
    ...(pictures.length > 0 && { control_images: Object.fromEntries(pictures) }),
  };
}
