import Papa from "papaparse";
import { type Json, parseJson } from "../api/json";

/** How a text is read: by what it looks like, or as it is said to be. */
export type Reading = "auto" | "table" | "list";

/** A row of what was given: its cells by column, and what is wrong with the row as it stands. */
export interface Row {
  readonly cells: readonly (Json | undefined)[];
  readonly problem: string | null;
}

export interface Table {
  /** What it was read as, for people. */
  readonly kind: string;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

/** Rows that one batch may have. */
export const MAX_ROWS = 10_000;

/** The table that a text is: CSV with any separator, JSON by line or as a list, or a prompt a line.
 *
 * `isKnown` tells whether a cell of the first line names something that can be set: then, and where
 * it is asked for, the first line is a head.
 */
export function readTable(
  given: string,
  reading: Reading,
  isKnown: (name: string) => boolean,
): Table {
  const text = given.replace(/^\uFEFF/, "");
  const first = text.trimStart().charAt(0);
  if (reading === "auto" && first === "{") return readObjects(text);
  if (reading === "auto" && first === "[") return readArray(text) ?? readList(text);
  if (reading === "list") return readList(text);
  const cells = Papa.parse<string[]>(text, { skipEmptyLines: "greedy" });
  const head = (cells.data[0] ?? []).map((name) => name.trim());
  return reading === "table" || head.some(isKnown) ? readCells(head, cells) : readList(text);
}

const SEPARATORS: Readonly<Record<string, string>> = {
  ",": "a table with commas",
  ";": "a table with semicolons",
  "\t": "a table with tabs",
  "|": "a table with bars",
};

function readCells(columns: readonly string[], parsed: Papa.ParseResult<string[]>): Table {
  const broken = new Map(
    parsed.errors
      .filter(({ type }) => type === "Quotes")
      .map(({ row, message }) => [row ?? 0, message]),
  );
  const rows = parsed.data.slice(1).map((cells, index): Row => {
    const more = cells.slice(columns.length).some((cell) => cell.trim() !== "");
    const problem = more
      ? `expected ${columns.length} cells, got ${cells.length}. Put quotes around a cell with separators.`
      : null;
    return { cells: columns.map((_, at) => cells[at]), problem: broken.get(index + 1) ?? problem };
  });
  return { kind: SEPARATORS[parsed.meta.delimiter] ?? "a table", columns, rows };
}

function readList(text: string): Table {
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.trim() !== "");
  const rows = lines.map((line): Row => ({ cells: [line.trim()], problem: null }));
  return { kind: "a prompt a line", columns: ["prompt"], rows };
}

function readObjects(text: string): Table {
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.trim() !== "");
  const found = lines.map((line) => {
    try {
      return parseJson(line);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  });
  return ofObjects("JSON by line", found);
}

/** A list of objects or prompts in one JSON text; null for what is none. */
function readArray(text: string): Table | null {
  try {
    const found = parseJson(text);
    if (!Array.isArray(found)) return null;
    return ofObjects(
      "a JSON list",
      found.map((item) => (typeof item === "string" ? { prompt: item } : item)),
    );
  } catch {
    return null;
  }
}

function ofObjects(kind: string, found: readonly unknown[]): Table {
  const columns = [...new Set(found.flatMap((item) => (isObject(item) ? Object.keys(item) : [])))];
  const rows = found.map((item): Row => {
    if (isObject(item)) return { cells: columns.map((name) => item[name]), problem: null };
    const got = item instanceof Error ? item.message : "something else";
    return { cells: [], problem: `expected a JSON object like {"prompt": "..."}: ${got}` };
  });
  return { kind, columns, rows };
}

function isObject(value: unknown): value is Readonly<Record<string, Json>> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Error)
  );
}
