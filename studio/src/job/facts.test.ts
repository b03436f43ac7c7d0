import { expect, test } from "vitest";
import { factsOf } from "./facts";

test("a person reads first what made the picture", () => {
  const facts = factsOf({
    duration_ms: 62450.1,
    device: "cpu",
    seed: 9223372036854775807n,
    size: [256, 512],
    loras: [],
    runtime: { threads: 2 },
    model: "poster",
  });
  expect(facts.map(({ label, value }) => `${label}: ${value}`)).toEqual([
    "Model: poster",
    "Seed: 9223372036854775807",
    "Time: 1 min 2 s",
    "Device: cpu",
    "Size: 256 × 512",
  ]);
});
