import type { ModelList } from "../api/types";
import type { Draft } from "../draft/draft";
import type { Choice } from "../ui/fields";
import type { SizeRules } from "./shapes";

type ModelDocument = ModelList["data"][number];

/** The model that the draft paints with: its own, that of the stage, or the server's default. */
export function modelNameOf(draft: Draft, models: ModelList): string {
  const painter = draft.stages.find(({ stage, off }) => stage === PAINTER && off !== true);
  const own = painter?.params["model"];
  return typeof own === "string" ? own : (draft.model ?? models.default);
}

/** The stage that paints. */
export const PAINTER = "text_to_image";

export function modelOf(draft: Draft, models: ModelList): ModelDocument | undefined {
  const name = modelNameOf(draft, models);
  return models.data.find(({ id }) => id === name);
}

/** The sizes that a model takes; `null` where nothing is known of it. */
export function sizeRules(model: ModelDocument | undefined): SizeRules | null {
  const native = model?.["native_size"];
  if (!Array.isArray(native) || typeof native[0] !== "number") return null;
  return {
    native: [native[0], Number(native[1])],
    multiple: Number(model?.["size_multiple"] ?? 8),
    maximum: Number(model?.["max_size"] ?? 8192),
  };
}

/** What a model starts from, beside a prompt. */
export function startsFrom(model: ModelDocument | undefined): ReadonlySet<string> {
  const found = model?.["starts_from"];
  return new Set(Array.isArray(found) ? found.map(String) : ["image", "inpaint", "edit"]);
}

/** What a model can do, in lines of words as the server has them. */
export function capabilitiesOf(model: ModelDocument): readonly (readonly [string, string])[] {
  return Object.entries((model["capabilities"] ?? {}) as Readonly<Record<string, string>>);
}

/** A model in a line: its size, steps and guidance. */
export function summaryOf(model: ModelDocument): string {
  if (typeof model["error"] === "string") return model["error"];
  const rules = sizeRules(model);
  const family = model["family"];
  return [
    ...(typeof family === "string" && family !== "" ? [family] : []),
    ...(rules === null ? [] : [`${rules.native[0]} × ${rules.native[1]}`]),
    ...(model["steps"] === undefined ? [] : [`${model["steps"]} steps`]),
  ].join(" · ");
}

/** The schedulers that fit a model, all where that is not known; its own first. */
export function schedulersOf(model: ModelDocument | undefined, models: ModelList): Choice[] {
  const kind = model?.["scheduler_kind"];
  const fitting = typeof kind === "string" ? models.schedulers_by_kind[kind] : undefined;
  return (fitting ?? models.schedulers).map((name) => ({ id: name, label: name }));
}

/** What a model takes for a parameter that is left empty. */
export function ownValue(model: ModelDocument | undefined, parameter: string): string | undefined {
  const rules = sizeRules(model);
  if (parameter === "width") return rules?.native[0].toString();
  if (parameter === "height") return rules?.native[1].toString();
  if (!OWN.has(parameter)) return undefined;
  const found = model?.[parameter];
  return found === undefined || found === null ? undefined : String(found);
}

const OWN = new Set(["steps", "guidance_scale", "scheduler"]);
