import type { Json } from "../api/json";
import { toJson } from "../api/json";
import type { Relative } from "../api/types";
import { labelOf } from "../forms/schema";

/** Versions in a row, each made from the one before it alone; where the last of them was run again
 * more than once, a branch for each. Drawn so, a long row of reruns is no deep one. */
export interface Line {
  readonly versions: readonly Relative[];
  readonly branches: readonly Line[];
}

/** A family as lines; those whose parent is not among them begin one of their own. */
export function linesOf(family: readonly Relative[]): readonly Line[] {
  const known = new Set(family.map(({ id }) => id));
  const children = new Map<string | null, Relative[]>();
  for (const version of family) {
    const parent = version.parent !== null && known.has(version.parent) ? version.parent : null;
    children.set(parent, [...(children.get(parent) ?? []), version]);
  }
  const lineFrom = (first: Relative): Line => {
    const versions = [first];
    let next = children.get(first.id) ?? [];
    while (next.length === 1 && next[0] !== undefined) {
      versions.push(next[0]);
      next = children.get(next[0].id) ?? [];
    }
    return { versions, branches: next.map(lineFrom) };
  };
  return (children.get(null) ?? []).map(lineFrom);
}

/** Inputs that are files: their names say nothing to people. */
const PICTURES = new Set(["image", "mask", "references"]);

/** What a version is, beside the one it was made from. */
export function nameOf({ parent, from_stage, changes }: Relative): string {
  if (parent === null) return "The first";
  const changed = Object.entries(changes ?? {}).map(([name, value]) =>
    changeText(name, value as Json),
  );
  if (changed.length > 0) return changed.join("; ");
  return from_stage === null ? "Run again" : `Run again from ${labelOf(from_stage).toLowerCase()}`;
}

function changeText(name: string, value: Json): string {
  if (PICTURES.has(name)) return `Another ${name === "references" ? "reference" : name}`;
  const [step = "", parameter] = name.split(".", 2);
  const label =
    parameter === undefined
      ? labelOf(step)
      : `${labelOf(step)}: ${labelOf(parameter).toLowerCase()}`;
  return `${label} ${valueText(value)}`;
}

function valueText(value: Json): string {
  if (value === null) return "by default";
  if (typeof value === "boolean") return value ? "on" : "off";
  return typeof value === "object" ? toJson(value) : String(value);
}
