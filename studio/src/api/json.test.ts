import { describe, expect, test } from "vitest";
import { parseJson, toJson } from "./json";

describe("numbers", () => {
  test("seeds beyond 2^53 keep every digit, there and back", () => {
    const text = '{"seed":9223372036854775807,"steps":20,"strength":0.1}';
    const found = parseJson(text);
    expect(found).toEqual({ seed: 9223372036854775807n, steps: 20, strength: 0.1 });
    expect(toJson(found)).toBe(text);
  });

  test("fractions with more digits than a number holds are numbers", () => {
    expect(parseJson("[0.1000000000000000055511151231257827]")).toEqual([0.1]);
  });
});
