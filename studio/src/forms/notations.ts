import { type Json, parseJson, toJson } from "../api/json";
import type { Notation } from "./useTyped";

/** What cannot be read stays a text in all of these: it is kept as it was typed, and the server
 * says what it expected. */

const INTEGER = /^[+-]?\d+$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Numbers, integers exact beyond 2^53; empty is `empty`. */
export function numbers(empty: null | undefined): Notation {
  return {
    read: (text) => {
      const digits = text.trim();
      if (digits === "") return empty;
      if (INTEGER.test(digits)) return integerOf(digits);
      return NUMBER.test(digits) ? Number(digits) : text;
    },
    write: (value) => (value === null || value === undefined ? "" : String(value)),
  };
}

/** Several texts, with commas between. */
export const LISTS: Notation = {
  read: (text) =>
    text
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== ""),
  write: (value) => (Array.isArray(value) ? value.join(", ") : String(value ?? "")),
};

/** Anything of parts, as JSON; empty is `empty`. */
export function documents(empty: null | undefined): Notation {
  return {
    read: (text) => (text.trim() === "" ? empty : (readJson(text) ?? text)),
    write: (value) => {
      if (value === null || value === undefined) return "";
      return typeof value === "string" && readJson(value) === undefined ? value : toJson(value, 1);
    },
  };
}

function integerOf(digits: string): Json {
  const near = Number(digits);
  return Number.isSafeInteger(near) ? near : BigInt(digits.replace(/^\+/, ""));
}

/** What JSON says; `undefined` where it is none. */
function readJson(text: string): Json | undefined {
  try {
    return parseJson(text) as Json;
  } catch {
    return undefined;
  }
}
