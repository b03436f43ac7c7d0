import { expect, test } from "vitest";
import type { JobDocument } from "../api/types";
import { differencesOf } from "./differences";

function job(seed: number | bigint, steps: number, more: object = {}): JobDocument {
  return {
    input: { prompt: "a red house" },
    seed,
    model: "ink",
    width: 512,
    height: 512,
    config: { stages: [{ stage: "text_to_image", params: { steps, guidance_scale: 7 } }] },
    ...more,
  } as unknown as JobDocument;
}

test("only what differs is listed, in the order of the stages, with seeds exact", () => {
  const found = differencesOf([job(9223372036854775806n, 20), job(9223372036854775807n, 30)]);
  expect(found.map(({ name, values }) => [name, ...values])).toEqual([
    ["seed", "9223372036854775806", "9223372036854775807"],
    ["text_to_image.steps", "20", "30"],
  ]);
});

test("what one of them lacks is a difference, and alike jobs have none", () => {
  const other = job(1, 20, { model: null });
  expect(differencesOf([job(1, 20), other])[0]?.values).toEqual(["ink", null]);
  expect(differencesOf([other, other])).toEqual([]);
});
