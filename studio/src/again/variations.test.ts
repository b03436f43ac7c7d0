import { expect, test } from "vitest";
import type { JobDocument } from "../api/types";
import { variationsRequest } from "./variations";

function job(seed: number | bigint): JobDocument {
  return { seed, config: { stages: [] }, input: { prompt: "a {red|blue} house", seed } } as never;
}

test("variations begin from the pictures that the job began from", () => {
  const image = { name: "source.png", width: 64, height: 64, sha256: "ab" };
  const begun = { ...job(7), id: "20261128-1", input: { prompt: "a house", image } } as never;
  expect(variationsRequest(begun, 2).inputs).toEqual([
    { prompt: "a house", image: { job: "20261128-1", name: "source.png" }, seed: 8 },
  ]);
});

test("variations follow the seed, exactly beyond 2^53, and wrap at its end", () => {
  const seedOf = (seed: number | bigint) => variationsRequest(job(seed), 4).inputs[0]?.seed;
  expect(seedOf(7)).toBe(8);
  expect(seedOf(9007199254740993n)).toBe(9007199254740994n);
  expect(seedOf(2n ** 63n - 1n)).toBe(0);
});
