import type { ModelList } from "../api/types";
import { bytesText } from "../ui/format";

/** A model, and what is known of it. */
export interface ModelEntry {
  readonly name: string;
  /** In a few words: family, size, precision. */
  readonly facts: readonly string[];
  /** What it can do, by what it is about. */
  readonly abilities: readonly (readonly [string, string])[];
  /** Why it cannot be used, and what to do. */
  readonly error: string | null;
}

export interface ModelKind {
  readonly id: string;
  readonly label: string;
  /** What models of this kind do. */
  readonly purpose: string;
  readonly models: readonly ModelEntry[];
}

interface KindText {
  readonly label: string;
  readonly purpose: string;
  /** The kind as details name it. */
  readonly detail?: string;
}

const KINDS: Readonly<Record<string, KindText>> = {
  diffusion: { label: "Diffusion models", purpose: "paint pictures" },
  loras: {
    label: "LoRAs",
    purpose: "add a style or a subject to a diffusion model",
    detail: "lora",
  },
  embeddings: {
    label: "Embeddings",
    purpose: "are words of their own in a prompt",
    detail: "embedding",
  },
  control: {
    label: "Control models",
    purpose: "hold a picture to edges, depth or a pose",
    detail: "control",
  },
  detectors: {
    label: "Detectors",
    purpose: "find faces and hands for the detailer",
    detail: "detector",
  },
  upscalers: { label: "Upscalers", purpose: "make pictures larger", detail: "upscaler" },
  matting: { label: "Background removers", purpose: "cut out what stands in front" },
  watermark: { label: "Watermarks", purpose: "mark pictures without being seen" },
  schedulers: { label: "Schedulers", purpose: "decide how noise is taken away, step by step" },
};

/** All that there is by kind; kinds without any are there, too. */
export function kindsOf(list: ModelList): readonly ModelKind[] {
  const { object: _, data, details = [], ...named } = list;
  const diffusion: ModelKind = {
    id: "diffusion",
    ...textOf("diffusion"),
    models: data.map((model) => entryOf(model.id, model)),
  };
  const names = Object.entries(named).filter((entry): entry is [string, string[]] =>
    isNames(entry),
  );
  const others = names.map(([id, models]) => ({
    id,
    ...textOf(id),
    models: models.map((name) =>
      entryOf(
        name,
        details.find((model) => model.id === name && model.kind === KINDS[id]?.detail) ?? {},
      ),
    ),
  }));
  const order = Object.keys(KINDS);
  const rank = ({ id }: ModelKind) => (order.includes(id) ? order.indexOf(id) : order.length);
  return [diffusion, ...others.sort((one, other) => rank(one) - rank(other))];
}

function textOf(id: string): Pick<ModelKind, "label" | "purpose"> {
  const known = KINDS[id];
  if (known !== undefined) return { label: known.label, purpose: known.purpose };
  return { label: id.charAt(0).toUpperCase() + id.slice(1), purpose: "come with a plugin" };
}

function isNames([, value]: [string, unknown]): boolean {
  return Array.isArray(value) && value.every((name) => typeof name === "string");
}

function entryOf(name: string, found: Readonly<Record<string, unknown>>): ModelEntry {
  const { family, native_size, precision, format, size_bytes, license, alias_of, error } = found;
  const facts = [
    ...(typeof alias_of === "string" ? [`another name for ${alias_of}`] : []),
    ...texts(family),
    ...(Array.isArray(native_size) ? [native_size.join(" × ")] : []),
    ...texts(precision, format),
    ...(typeof size_bytes === "number" ? [bytesText(size_bytes)] : []),
    ...texts(license),
    ...(Array.isArray(found["triggers"]) ? [`say: ${found["triggers"].join(", ")}`] : []),
  ];
  const abilities = Object.entries((found["capabilities"] ?? {}) as Record<string, unknown>).map(
    ([what, text]) => [what, String(text)] as const,
  );
  return { name, facts, abilities, error: typeof error === "string" ? error : null };
}

function texts(...values: readonly unknown[]): readonly string[] {
  return values.filter((value): value is string => typeof value === "string" && value !== "");
}
