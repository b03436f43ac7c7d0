import { isSafeNumber, parse, stringify } from "lossless-json";

/** An integer as JSON holds it: seeds reach 2^63, beyond what a `number` keeps. */
export type Integer = number | bigint;

export type Json =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly Json[]
  | { readonly [name: string]: Json };

/** Parse JSON; integers that a `number` cannot hold become a `bigint`. */
export function parseJson(text: string): unknown {
  return parse(text, null, (digits) => (isSafeNumber(digits) ? Number(digits) : exact(digits)));
}

/** JSON of a value, of a `bigint` as its digits; `space` indents it. */
export function toJson(value: unknown, space?: number): string {
  return stringify(value, null, space) ?? "null";
}

/** Whether two values are the same JSON; `undefined` is itself alone. */
export function sameJson(one: unknown, other: unknown): boolean {
  return (
    one === other || (one !== undefined && other !== undefined && toJson(one) === toJson(other))
  );
}

function exact(digits: string): Integer {
  return /^-?\d+$/.test(digits) ? BigInt(digits) : Number(digits);
}
