import { expect, test } from "vitest";
import { targetsOf } from "./columns";
import { placedProblems } from "./problems";
import { chunksOf, fingerprint, inputOf } from "./requests";

const targets = targetsOf([
  { name: "refiner", params: { properties: { steps: { type: "integer" } } } },
] as never);

test("a row becomes an input with its own parameters", () => {
  const row = { cells: ["a", "", "9007199254740993", "4", "x"], problem: null };
  const mapping = ["prompt", "model", "seed", "refiner.steps", ""];
  expect(inputOf(row, mapping, targets)).toEqual({
    prompt: "a",
    seed: 9007199254740993n,
    overrides: { "refiner.steps": 4 },
  });
});

test("requests stay below the server's limits, and no row is lost", () => {
  const inputs = Array.from({ length: 7 }, (_, at) => ({ prompt: String(at) }));
  expect(chunksOf(inputs, 3, 1000).map(({ first, inputs }) => [first, inputs.length])).toEqual([
    [0, 3],
    [3, 3],
    [6, 1],
  ]);
  expect(chunksOf(inputs, 3, 40).flatMap(({ inputs }) => inputs)).toEqual(inputs);
  expect(chunksOf(inputs, 3, 1).length).toBe(7);
  expect(chunksOf([], 3, 1)).toEqual([]);
});

test("problems are placed at rows and columns", () => {
  const mapping = ["prompt", "seed", "refiner.steps"];
  expect(
    placedProblems(
      [
        { detail: "input should be an integer.", pointer: "#/inputs/1/seed" },
        { detail: "inputs.0.model: unknown.", place: "inputs.0.model" },
        { detail: "inputs.2.refiner.steps: too many.", place: "inputs.2.refiner.steps" },
        { detail: "unknown.", pointer: "#/inputs/2/overrides/refiner.steps" },
        { detail: "inputs.1: prompt: expected a text.", place: "inputs.1" },
        { detail: "model: unknown.", place: "model" },
      ],
      100,
      mapping,
    ),
  ).toEqual([
    { row: 101, column: 1, text: "input should be an integer." },
    { row: 100, column: null, text: "unknown." },
    { row: 102, column: 2, text: "too many." },
    { row: 102, column: 2, text: "unknown." },
    { row: 101, column: 0, text: "prompt: expected a text." },
    { row: null, column: null, text: "model: unknown." },
  ]);
});

test("other texts have other fingerprints", () => {
  expect(fingerprint("ab")).not.toBe(fingerprint("ba"));
  expect(fingerprint("a")).toBe(fingerprint("a"));
});
