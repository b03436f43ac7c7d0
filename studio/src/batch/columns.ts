import type { StageDocument } from "../api/types";
import { type FieldKind, fieldsOf, labelOf, type Schema } from "../forms/schema";
import type { Choice } from "../ui/fields";

/** What a column can set: a field of the input, or `stage.parameter`; "" for nothing. */
export type Target = string;

/** What columns can set, in the order in which it is offered; with the kind of its values. */
export type Targets = ReadonlyMap<Target, { readonly label: string; readonly kind: FieldKind }>;

const INPUT: Targets = new Map([
  ["prompt", { label: "Prompt", kind: "text" }],
  ["negative_prompt", { label: "Negative prompt", kind: "text" }],
  ["seed", { label: "Seed", kind: "integer" }],
  ["model", { label: "Model", kind: "text" }],
]);

/** Names that tables of other tools have for the same. */
const SYNONYMS: Readonly<Record<string, readonly Target[]>> = {
  text: ["prompt"],
  positive: ["prompt"],
  positive_prompt: ["prompt"],
  negative: ["negative_prompt"],
  checkpoint: ["model"],
  cfg: ["text_to_image.guidance_scale"],
  cfg_scale: ["text_to_image.guidance_scale"],
  guidance: ["text_to_image.guidance_scale"],
  sampler: ["text_to_image.scheduler"],
};

/** What can be set, of these stages. */
export function targetsOf(stages: readonly StageDocument[]): Targets {
  const found = new Map(INPUT);
  for (const stage of stages) {
    for (const { name, label, kind } of fieldsOf(stage.params as Schema)) {
      found.set(`${stage.name}.${name}`, { label: `${labelOf(stage.name)}: ${label}`, kind });
    }
  }
  return found;
}

/** What a column's name means; "" where it means nothing. */
export function recognised(name: string, targets: Targets): Target {
  const plain = name
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+/g, "_");
  const guesses = [plain, ...(SYNONYMS[plain] ?? []), `text_to_image.${plain}`];
  return guesses.find((guess) => targets.has(guess)) ?? "";
}

/** What each column sets: as chosen, else as its name says; a target is set by one column alone. */
export function mapped(
  columns: readonly string[],
  chosen: Readonly<Record<string, Target>>,
  targets: Targets,
): readonly Target[] {
  const taken = new Set<Target>(columns.map((name) => chosen[name] ?? "").filter(Boolean));
  return columns.map((name) => {
    const own = chosen[name];
    if (own !== undefined) return own === "" || targets.has(own) ? own : "";
    const guess = recognised(name, targets);
    if (guess === "" || taken.has(guess)) return "";
    taken.add(guess);
    return guess;
  });
}

/** The targets as choices. */
export function choicesOf(targets: Targets): readonly Choice[] {
  return [
    { id: IGNORED, label: "Ignored" },
    ...Array.from(targets, ([id, { label }]) => ({ id, label })),
  ];
}

/** The choice that stands for no target. */
export const IGNORED = "-";
