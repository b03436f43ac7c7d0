import type { Json } from "../api/json";
import { labelOf } from "../forms/schema";
import { elapsedText } from "../ui/format";

export interface Fact {
  readonly name: string;
  readonly label: string;
  readonly value: string;
}

/** What a person asks first, in this order. */
const FIRST = [
  "prompt",
  "negative_prompt",
  "model",
  "seed",
  "steps",
  "guidance_scale",
  "scheduler",
];
/** What is shown elsewhere, or serves machines alone. */
const LEFT_OUT = new Set(["regions", "runtime", "outputs", "finished_at", "template", "checks"]);
const UNITS: Readonly<Record<string, (value: number) => string>> = {
  duration_ms: elapsedText,
  waited_ms: elapsedText,
  load_ms: elapsedText,
};
const LABELS: Readonly<Record<string, string>> = {
  duration_ms: "Time",
  waited_ms: "Waited for the model",
  load_ms: "Loading the model",
};

/** What a stage said of itself, as a person reads it. */
export function factsOf(metadata: Readonly<Record<string, unknown>>): readonly Fact[] {
  const names = Object.keys(metadata).filter((name) => !LEFT_OUT.has(name));
  const order = (name: string) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  return names
    .sort((one, other) => order(one) - order(other))
    .map((name) => ({
      name,
      label: LABELS[name] ?? labelOf(name),
      value: shown(name, metadata[name] as Json),
    }))
    .filter(({ value }) => value !== "");
}

function shown(name: string, value: Json): string {
  const unit = UNITS[name];
  if (typeof value === "number" && unit !== undefined) return unit(value);
  if (value === null) return "";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) {
    const size = name === "size" || name.endsWith("_size");
    return value.map((item) => shown("", item as Json)).join(size ? " × " : ", ");
  }
  if (typeof value === "object") {
    return Object.entries(value)
      .map(([key, item]) => `${labelOf(key)} ${shown(key, item as Json)}`)
      .join(", ");
  }
  return String(value);
}
