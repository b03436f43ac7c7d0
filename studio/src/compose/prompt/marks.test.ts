import { describe, expect, test } from "vitest";
import { characterAt, follow, type Mark, pieces } from "./marks";

const VARIANTS: Mark = { start: 2, end: 8, kind: "variants" };
const OPTION: Mark = { start: 3, end: 5, kind: "option" };

describe("pieces", () => {
  test("are the whole text in order, the inner kinds last", () => {
    const found = pieces("a {🏠|b} c", [OPTION, VARIANTS]);
    expect(found.map(({ text }) => text).join("")).toBe("a {🏠|b} c");
    expect(found.find(({ text }) => text === "🏠")?.kinds).toEqual(["variants", "option"]);
    expect(found[0]).toEqual({ text: "a ", kinds: [] });
  });

  test("marks beyond the text, and empty ones, do no harm", () => {
    const found = pieces("ab", [
      { start: 1, end: 9, kind: "lora" },
      { start: 1, end: 1, kind: "problem" },
    ]);
    expect(found).toEqual([
      { text: "a", kinds: [] },
      { text: "b", kinds: ["lora"] },
    ]);
    expect(pieces("", [])).toEqual([]);
  });
});

describe("while a reading is on the way", () => {
  const before = "a {b|c} d (e:2)";
  const ranges = [
    { start: 2, end: 7 },
    { start: 10, end: 15 },
  ];

  test("what is typed before moves ranges, inside of them makes them longer", () => {
    expect(follow(ranges, before, `so ${before}`)).toEqual([
      { start: 5, end: 10 },
      { start: 13, end: 18 },
    ]);
    expect(follow(ranges, before, "a {bb|c} d (e:2)")[0]).toEqual({ start: 2, end: 8 });
  });

  test("ranges that a change cuts into are gone", () => {
    expect(follow(ranges, before, "a {b|c d (e:2)")).toEqual([{ start: 9, end: 14 }]);
    expect(follow(ranges, before, "")).toEqual([]);
  });
});

test("places count characters, not code units", () => {
  expect(characterAt("🏠🏠x", 4)).toBe(3);
});
