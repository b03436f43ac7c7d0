import { type Json, parseJson } from "../api/json";
import type { FieldKind } from "./schema";

const NUMBER = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/;

/** The value that a cell stands for, with every digit; undefined for an empty one. What is no value
 * of the kind is left as it is, for the server to say so. */
export function cellValue(cell: Json | undefined, kind: FieldKind): Json | undefined {
  if (cell === undefined || cell === null) return undefined;
  if (typeof cell !== "string") return cell;
  const text = cell.trim();
  if (text === "") return undefined;
  switch (kind) {
    case "integer":
    case "number":
      return NUMBER.test(text) ? numberOf(text) : text;
    case "boolean":
      return { true: true, false: false }[text.toLowerCase()] ?? text;
    case "choices":
    case "texts":
      return jsonOf(text) ?? text.split(",").map((item) => item.trim());
    case "json":
      return jsonOf(text) ?? text;
    default:
      return text;
  }
}

/** A number in JSON's own form: no zeros before it. */
function numberOf(text: string): Json {
  return parseJson(text.replace(/^(-?)0+(?=\d)/, "$1")) as Json;
}

function jsonOf(text: string): Json | undefined {
  try {
    return parseJson(text) as Json;
  } catch {
    return undefined;
  }
}
