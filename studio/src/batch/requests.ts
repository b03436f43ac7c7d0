import { type Json, toJson } from "../api/json";
import { cellValue } from "../forms/cells";
import type { Target, Targets } from "./columns";
import type { Row } from "./table";

/** What a row asks for, as a group's input has it. */
export type RowInput = Readonly<Record<string, Json>>;

/** Rows in a request, from the one with number `first` on. */
export interface Chunk {
  readonly first: number;
  readonly inputs: readonly RowInput[];
}

/** The input that a row stands for. */
export function inputOf(row: Row, mapping: readonly Target[], targets: Targets): RowInput {
  const input: Record<string, Json> = {};
  const overrides: Record<string, Json> = {};
  for (const [at, target] of mapping.entries()) {
    const kind = targets.get(target)?.kind;
    const value = kind === undefined ? undefined : cellValue(row.cells[at], kind);
    if (value !== undefined) (target.includes(".") ? overrides : input)[target] = value;
  }
  return Object.keys(overrides).length === 0 ? input : { ...input, overrides };
}

/** Inputs in as few requests as hold them: of at most so many each, and so many bytes. */
export function chunksOf(
  inputs: readonly RowInput[],
  most: number,
  bytes: number,
): readonly Chunk[] {
  const encoder = new TextEncoder();
  const chunks: { first: number; inputs: RowInput[] }[] = [];
  let left = 0;
  for (const [first, input] of inputs.entries()) {
    const size = encoder.encode(toJson(input)).length + 1;
    const last = chunks.at(-1);
    if (last === undefined || last.inputs.length >= most || size > left) {
      chunks.push({ first, inputs: [input] });
      left = bytes - size;
    } else {
      last.inputs.push(input);
      left -= size;
    }
  }
  return chunks;
}

/** A short number that differs where texts do (FNV-1a, of 32 bits, beside the length). */
export function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return `${text.length}-${(hash >>> 0).toString(16)}`;
}
