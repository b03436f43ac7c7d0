import { expect, test } from "vitest";
import type { StageDocument } from "../api/types";
import { mapped, recognised, targetsOf } from "./columns";

const number = { type: "integer" };
const targets = targetsOf([
  { name: "text_to_image", params: { properties: { width: number, steps: number } } },
  { name: "refiner", params: { properties: { steps: number } } },
] as unknown as StageDocument[]);

test("columns are recognised by their names and by those of other tools", () => {
  expect(
    ["Prompt", "negative prompt", "Seed ", "width", "refiner.steps", "Negative", "note"].map(
      (name) => recognised(name, targets),
    ),
  ).toEqual([
    "prompt",
    "negative_prompt",
    "seed",
    "text_to_image.width",
    "refiner.steps",
    "negative_prompt",
    "",
  ]);
});

test("what was chosen comes first, and a target has one column", () => {
  expect(mapped(["text", "prompt", "note"], {}, targets)).toEqual(["prompt", "", ""]);
  expect(mapped(["prompt", "note"], { note: "prompt" }, targets)).toEqual(["", "prompt"]);
  expect(mapped(["prompt"], { prompt: "" }, targets)).toEqual([""]);
  expect(mapped(["a"], { a: "gone.stage" }, targets)).toEqual([""]);
});
