import { expect, test } from "vitest";
import { MOST, moveOf, NONE, only, rangeTo, toggled, without } from "./selection";

const GRID = { columns: 4, rows: 3, total: 10 };

test("arrow keys move through rows and columns, and stay at the edges", () => {
  const moves = (key: string, from: number) => moveOf(key, from, GRID, false);
  expect(moves("ArrowRight", 3)).toBe(4);
  expect(moves("ArrowDown", 1)).toBe(5);
  expect(moves("ArrowDown", 6)).toBe(9); // below it there is nothing, but there is a row
  expect(moves("ArrowDown", 8)).toBe(8);
  expect(moves("ArrowUp", 2)).toBe(2);
  expect(moves("ArrowLeft", 0)).toBe(0);
  expect(moves("PageDown", 1)).toBe(9);
  expect(moves("PageUp", 6)).toBe(2);
  expect(moves("End", 5)).toBe(7);
  expect(moveOf("End", 5, GRID, true)).toBe(9);
  expect(moveOf("Home", 5, GRID, true)).toBe(0);
  expect(moves("a", 5)).toBeNull();
});

test("a range goes both ways from where it began, and has an end", () => {
  expect(rangeTo(only(5, "e"), 3)).toEqual([5, 4, 3]);
  expect(rangeTo(only(5, "e"), 7)).toEqual([5, 6, 7]);
  expect(rangeTo(NONE, 100_000)).toHaveLength(MOST);
});

test("one is chosen beside others, no more, and not once it is gone", () => {
  const both = toggled(only(1, "a"), 2, "b");
  expect([...both.ids]).toEqual(["a", "b"]);
  expect([...toggled(both, 1, "a").ids]).toEqual(["b"]);
  expect([...without(both, ["b"]).ids]).toEqual(["a"]);
});
