import { type Json, toJson } from "../api/json";
import type { StageDocument } from "../api/types";
import { cellValue } from "../forms/cells";
import { numbers } from "../forms/notations";
import { type FieldSpec, fieldsOf, labelOf, type Schema } from "../forms/schema";
import { stepsOf } from "../jobs/steps";

/** What an axis of a grid may vary. */
export interface Parameter {
  /** As the API has it: `stage.parameter`, or a field of the input. */
  readonly name: string;
  readonly label: string;
  readonly field: FieldSpec;
}

/** A parameter and its values, as the API takes them. */
export interface Axis {
  readonly parameter: string;
  readonly values: readonly Json[];
}

/** Values of one axis, as `ninefold grid` has it, too. */
const MAX_VALUES = 200;

const INPUT: Schema = {
  properties: {
    prompt: { type: "string", maxLength: 10_000 },
    negative_prompt: { type: "string", maxLength: 10_000 },
    seed: { type: "integer", minimum: 0 },
    model: { type: "string", "x-model": { kind: "diffusion" } },
  },
};

/** Before the name of a LoRA whose weight is varied. */
const LORA = "lora:";
const WEIGHT: Schema = {
  type: "number",
  minimum: -10,
  maximum: 10,
  description: "1 is as trained. It is that of the LoRA's tag in the prompt, or of one before it.",
};

/** What can be varied of a pipeline: fields of the input, LoRAs' weights, every stage's parameters. */
export function parametersOf(
  config: Parameters<typeof stepsOf>[0],
  stages: readonly StageDocument[],
  loras: readonly string[],
): readonly Parameter[] {
  const steps = stepsOf(config);
  const ofSteps = steps.flatMap(({ name: step, stage }) => {
    const found = stages.find(({ name }) => name === stage);
    return fieldsOf((found?.params ?? {}) as Schema).map((field) => ({
      name: `${step}.${field.name}`,
      label: `${labelOf(step)}: ${field.label.toLowerCase()}`,
      field,
    }));
  });
  const weights = Object.fromEntries(loras.map((name) => [LORA + name, WEIGHT]));
  const ofLoras = steps.some(({ stage }) => stage === "prompt")
    ? fieldsOf({ properties: weights }).map((field) => ({
        name: field.name,
        label: parameterLabel(field.name),
        field,
      }))
    : [];
  return [
    ...fieldsOf(INPUT).map((field) => ({ name: field.name, label: field.label, field })),
    ...ofLoras,
    ...ofSteps,
  ];
}

/** `text_to_image.steps` and `lora:ink` as people read them. */
export function parameterLabel(name: string): string {
  if (name.startsWith(LORA)) return `LoRA ${name.slice(LORA.length)}: weight`;
  return name.split(".", 2).map(labelOf).join(": ");
}

/** How the values of a parameter are given. */
export type Notation = "numbers" | "choices" | "lines";

export function notationOf({ kind }: FieldSpec): Notation {
  if (kind === "integer" || kind === "number") return "numbers";
  return kind === "boolean" || kind === "choice" ? "choices" : "lines";
}

/** Values as they were typed, each once; or why they are none. */
export interface Typed {
  readonly values: readonly Json[];
  readonly problem?: string;
}

const NUMBER = String.raw`[+-]?\d*\.?\d+`;
const RANGE = new RegExp(
  `^(${NUMBER})\\s*(?:\\.\\.|-)\\s*(${NUMBER})(?:\\s*(?::|by)\\s*(${NUMBER}))?$`,
);

/** Whether a value of the parameter is a list or an object itself. */
export function isCompound({ kind }: FieldSpec): boolean {
  return kind === "json" || kind === "choices" || kind === "texts";
}

/** The values that a text says: `4, 8, 12` and `4..12 by 4` of numbers, a line each of others. */
export function valuesOf(field: FieldSpec, text: string): Typed {
  const notation = notationOf(field);
  const items = text
    .split(notation === "lines" ? "\n" : ",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
  const values: Json[] = [];
  for (const item of items) {
    const found = notation === "numbers" ? numbersOf(item) : [oneOf(field, item)];
    if (found === null) {
      return {
        values: [],
        problem: `Expected numbers such as 4, 8, 12 or 4..12 by 4, got ${item}.`,
      };
    }
    values.push(...found);
    if (values.length > MAX_VALUES) {
      return { values: [], problem: `Expected at most ${MAX_VALUES} values.` };
    }
  }
  return { values: [...new Map(values.map((value) => [toJson(value), value])).values()] };
}

/** One value of a parameter that is no number; a list is told by commas or as JSON. */
function oneOf(field: FieldSpec, item: string): Json {
  if (field.kind === "boolean") return item === "on";
  return isCompound(field) ? (cellValue(item, field.kind) ?? item) : item;
}

/** A number, or those of a range; null where it is neither. */
function numbersOf(item: string): readonly Json[] | null {
  const { read } = numbers(null);
  const one = read(item);
  if (typeof one === "number" || typeof one === "bigint") return [one];
  const [, first, last, by] = RANGE.exec(item) ?? [];
  if (first === undefined || last === undefined) return null;
  return range(first, last, by ?? "1", read);
}

/** From a number to another, both as they were typed: exact in decimals, and beyond 2^53. */
function range(
  first: string,
  last: string,
  by: string,
  read: (text: string) => Json | undefined,
): readonly Json[] | null {
  const digits = Math.max(...[first, last, by].map((text) => text.split(".")[1]?.length ?? 0));
  const whole = (text: string) => {
    const [before = "", after = ""] = text.replace(/^[+-]/, "").split(".");
    const value = BigInt(`${before}${after.padEnd(digits, "0")}`);
    return text.startsWith("-") ? -value : value;
  };
  const [start, end, step] = [whole(first), whole(last), whole(by)];
  if (step <= 0n || end < start) return null;
  const found: Json[] = [];
  for (let value = start; value <= end && found.length <= MAX_VALUES; value += step) {
    const text = (value < 0n ? -value : value).toString().padStart(digits + 1, "0");
    const at = text.length - digits;
    const typed = digits === 0 ? text : `${text.slice(0, at)}.${text.slice(at)}`;
    found.push(read(value < 0n ? `-${typed}` : typed) as Json);
  }
  return found;
}
