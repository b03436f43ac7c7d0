import type { PromptDocument } from "../../api/types";

/** A LoRA tag of a prompt, in its place. */
export interface LoraTag {
  readonly start: number;
  readonly end: number;
  readonly name: string;
  readonly weight: number;
  readonly known: boolean | null;
}

/** The LoRA tags that are read in a prompt, whose names no choice decides. */
export function loraTags(reading: PromptDocument | null): readonly LoraTag[] {
  return (reading?.spans ?? []).flatMap(({ kind, name, weight, start, end, known }) =>
    kind === "lora" && typeof name === "string"
      ? [{ start, end, name, weight: weight ?? 1, known: known ?? null }]
      : [],
  );
}

/** The text with a tag at the place, apart from the words around it by a space. */
export function withTag(text: string, name: string, weight: number, at = text.length): string {
  const [before, after] = [text.slice(0, at), text.slice(at)];
  const gap = before === "" || /\s$/.test(before) ? "" : " ";
  const rest = after === "" || /^\s/.test(after) ? "" : " ";
  return `${before}${gap}<lora:${name}:${weight}>${rest}${after}`;
}

/** The text with another weight of the model in a tag; what else the tag says stays. */
export function withWeight(text: string, tag: LoraTag, weight: number): string {
  const [kind, name, ...rest] = text.slice(tag.start + 1, tag.end - 1).split(":");
  const named = rest.findIndex((part) => /^\s*unet\s*=/i.test(part));
  if (named >= 0) rest[named] = `unet=${weight}`;
  else if (isNumber(rest[1])) rest[1] = String(weight);
  else if (rest.length === 0 || rest[0]?.trim() === "" || isNumber(rest[0]))
    rest[0] = String(weight);
  else if (/^\s*te\s*=/i.test(rest[0] ?? "")) rest.splice(1, 0, `unet=${weight}`);
  else rest.unshift(String(weight));
  return `${text.slice(0, tag.start)}<${[kind, name, ...rest].join(":")}>${text.slice(tag.end)}`;
}

function isNumber(part: string | undefined): boolean {
  return part !== undefined && part.trim() !== "" && Number.isFinite(Number(part));
}

/** The text without a tag, and without the space before it. */
export function withoutTag(text: string, tag: LoraTag): string {
  const before = text.slice(0, tag.start);
  return (/\s$/.test(before) ? before.slice(0, -1) : before) + text.slice(tag.end);
}
