import { expect, test } from "vitest";
import type { FieldSpec } from "../forms/schema";
import { parameterLabel, parametersOf, valuesOf } from "./axes";
import { baseOf, gridRequestOf, picturesText } from "./request";

function field(kind: FieldSpec["kind"]): FieldSpec {
  return { name: "it", kind } as FieldSpec;
}

test("numbers are listed or range from one to another", () => {
  const of = (text: string) => valuesOf(field("number"), text).values;
  expect(of("4, 8,12")).toEqual([4, 8, 12]);
  expect(of("4..12 by 4")).toEqual([4, 8, 12]);
  expect(of("1-10:3, 20")).toEqual([1, 4, 7, 10, 20]);
  expect(of("-1..1")).toEqual([-1, 0, 1]);
  expect(of("0.1..0.4 by 0.1")).toEqual([0.1, 0.2, 0.3, 0.4]);
  expect(of("-0.5..0.5 by 0.5")).toEqual([-0.5, 0, 0.5]);
  expect(of("9223372036854775806..9223372036854775807")).toEqual([
    9223372036854775806n,
    9223372036854775807n,
  ]);
  expect(of("5, 5, 6")).toEqual([5, 6]);
  expect(of("")).toEqual([]);
});

test("what is no number, no range or too many says so", () => {
  for (const text of ["many", "4..1", "1..4 by 0", "1..1000", "1..4 by", "..4"]) {
    expect(valuesOf(field("integer"), text)).toEqual({
      values: [],
      problem: expect.stringContaining("Expected"),
    });
  }
});

test("switches and texts have values of their own", () => {
  expect(valuesOf(field("boolean"), "on,off").values).toEqual([true, false]);
  expect(valuesOf(field("paragraph"), "a house, red\n\na boat").values).toEqual([
    "a house, red",
    "a boat",
  ]);
});

test("a list is a value: a line each, told by commas or as JSON", () => {
  expect(valuesOf(field("choices"), "png, webp\n[]\npng,webp").values).toEqual([
    ["png", "webp"],
    [],
  ]);
  expect(valuesOf(field("json"), '[{"model": "edges"}]\nmany').values).toEqual([
    [{ model: "edges" }],
    "many",
  ]);
});

test("parameters are fields of the input, LoRAs, and those of stages, named as steps are", () => {
  const params = {
    properties: { grain: { type: "number" }, styles: { type: "array", items: { type: "string" } } },
  };
  const stages = [{ name: "finisher", params } as never];
  const config = { stages: [{ stage: "prompt" }, { stage: "finisher" }, { stage: "finisher" }] };
  const found = parametersOf({ config } as never, stages, ["style/ink.v2"]);
  expect(found.map(({ name, label }) => [name, label])).toEqual([
    ["prompt", "Prompt"],
    ["negative_prompt", "Negative prompt"],
    ["seed", "Seed"],
    ["model", "Model"],
    ["lora:style/ink.v2", "LoRA style/ink.v2: weight"],
    ["finisher.grain", "Finisher: grain"],
    ["finisher.styles", "Finisher: styles"],
    ["finisher_2.grain", "Finisher 2: grain"],
    ["finisher_2.styles", "Finisher 2: styles"],
  ]);
  expect(parameterLabel("lora:style/ink.v2")).toBe("LoRA style/ink.v2: weight");
  const without = parametersOf({ config: { stages: [{ stage: "finisher" }] } } as never, stages, [
    "ink",
  ]);
  expect(without.some(({ name }) => name.startsWith("lora:"))).toBe(false);
});

test("what an axis gives is left out of the rest; a preset stays one", () => {
  const base = { preset: "draft", input: { prompt: "a house", seed: 7 } } as never;
  const x = { parameter: "text_to_image.steps", values: [4, 8] };
  const y = { parameter: "seed", values: [1, 2] };
  expect(gridRequestOf(base, x, y)).toEqual({
    preset: "draft",
    input: { prompt: "a house" },
    x,
    y,
  });
  expect(gridRequestOf(base, x, null)).toEqual({
    preset: "draft",
    input: { prompt: "a house", seed: 7 },
    x,
  });
});

test("a grid starts from all that its job started from", () => {
  const file = (name: string) => ({ name, width: 1, height: 1, sha256: "ab" });
  const input = {
    prompt: "a house",
    image: file("source.png"),
    references: [file("reference_1.png"), file("reference_2.png")],
  };
  const base = baseOf({ id: "20261128-1", config: {}, seed: 9, input } as never);
  expect(base.input).toEqual({
    prompt: "a house",
    image: { job: "20261128-1", name: "source.png" },
    references: [
      { job: "20261128-1", name: "reference_1.png" },
      { job: "20261128-1", name: "reference_2.png" },
    ],
    seed: 9,
  });
  expect(picturesText(base.input)).toBe("a source picture and 2 references");
  expect(picturesText({ prompt: "a house" })).toBe("");
});
