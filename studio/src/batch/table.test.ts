import { expect, test } from "vitest";
import { readTable } from "./table";

const known = (name: string) => ["prompt", "seed"].includes(name);
const cellsOf = (text: string, reading: "auto" | "table" | "list" = "auto") => {
  const { columns, rows } = readTable(text, reading, known);
  return [columns, ...rows.map(({ cells }) => cells)];
};

test("tables with a mark at the start, quotes, line breaks in cells and other separators", () => {
  expect(cellsOf('\uFEFFprompt,seed\r\n"a ""red"" house,\nby the sea",7\r\n\r\nb,\r\n')).toEqual([
    ["prompt", "seed"],
    ['a "red" house,\nby the sea', "7"],
    ["b", ""],
  ]);
  expect(cellsOf("prompt;seed\na, b;7")).toEqual([
    ["prompt", "seed"],
    ["a, b", "7"],
  ]);
  expect(cellsOf("prompt\tseed\na, b\t7")[1]).toEqual(["a, b", "7"]);
});

test("without a head it is a list of prompts, commas and all", () => {
  expect(cellsOf("a red house, snow\n\n  a boat, fog \n")).toEqual([
    ["prompt"],
    ["a red house, snow"],
    ["a boat, fog"],
  ]);
  expect(cellsOf("text,number\na,7", "table")[0]).toEqual(["text", "number"]);
  expect(cellsOf("prompt\nseed", "list")).toEqual([["prompt"], ["prompt"], ["seed"]]);
  expect(cellsOf("[a red house:1.2], snow")[1]).toEqual(["[a red house:1.2], snow"]);
  expect(readTable("", "auto", known).rows).toEqual([]);
});

test("JSON keeps every digit, and names what is none", () => {
  const { columns, rows } = readTable(
    '{"prompt": "a", "seed": 9223372036854775807}\n{"prompt": "b"\n{"width": 64}\n[1]',
    "auto",
    known,
  );
  expect(columns).toEqual(["prompt", "seed", "width"]);
  expect(rows[0]?.cells).toEqual(["a", 9223372036854775807n, undefined]);
  expect(rows.map(({ problem }) => problem !== null)).toEqual([false, true, false, true]);
  expect(cellsOf('["a", {"prompt": "b"}]')).toEqual([["prompt"], ["a"], ["b"]]);
});

test("a row with more cells than there are columns is said to be so", () => {
  const { rows } = readTable("prompt,seed\na, b,7\nc,8,,", "auto", known);
  expect(rows[0]?.problem).toContain("expected 2 cells, got 3");
  expect(rows[1]?.problem).toBeNull();
});
