import { expect, test } from "vitest";
import type { Step } from "../jobs/steps";
import { changesOf, inputOf } from "./changes";

const STEPS: readonly Step[] = [
  { name: "prompt", stage: "prompt", params: {} },
  { name: "finisher", stage: "finisher", params: { grain: 0.02 } },
  { name: "finisher_2", stage: "finisher", params: {} },
];

test("only what differs is sent, by step", () => {
  const edited = { finisher: { grain: 0.02, sharpness: 0.3 }, finisher_2: { grain: 0.1 } };
  expect(changesOf(STEPS, edited, () => null)).toEqual({
    "finisher.sharpness": 0.3,
    "finisher_2.grain": 0.1,
  });
});

test("a seed is sent exactly, and only where it is another", () => {
  const before = { prompt: "a red house", seed: "7" };
  expect(inputOf(before, before)).toEqual({});
  expect(inputOf({ ...before, seed: "9007199254740993" }, before)).toEqual({
    seed: 9007199254740993n,
  });
  expect(inputOf({ prompt: "a blue house", seed: "" }, before)).toEqual({ prompt: "a blue house" });
  expect(inputOf({ ...before, seed: "007" }, before)).toEqual({ seed: 7 });
});

test("a seed that is no number is not dropped: the server refuses it", () => {
  const before = { prompt: "a red house", seed: "7" };
  expect(inputOf({ ...before, seed: "-1x" }, before)).toEqual({ seed: "-1x" });
});

test("a parameter that was taken out has its default again, one that is null stays so", () => {
  const edited = { finisher: { sharpness: null } };
  const defaults = (stage: string, name: string) =>
    `${stage}.${name}` === "finisher.grain" ? 0 : 1;
  expect(changesOf(STEPS, edited, defaults)).toEqual({
    "finisher.grain": 0,
    "finisher.sharpness": null,
  });
});
