import { expect, test } from "vitest";
import { costInShort, memoryText, secondsText } from "./costText";

const STEP = {
  stage: "prompt",
  enabled: true,
  model: null,
  width: null,
  height: null,
  steps: null,
};

test("what is not known is said to be so", () => {
  expect(costInShort({ steps: [], images: 1 } as never)).toContain("time unknown");
  const steps = [
    { ...STEP, seconds: 12, basis: "measured" },
    { ...STEP, seconds: null, basis: "unknown" },
  ];
  expect(costInShort({ steps, seconds: null, images: 4 } as never)).toBe(
    "4 images · more than 12 s: some stages have not run yet",
  );
  expect(secondsText(null, "unknown")).toBe("unknown");
  expect(memoryText(null)).toBe("unknown");
});

test("time and memory as people say them", () => {
  expect(
    costInShort({ steps: [], seconds: 130, images: 1, weights_bytes: 7 * 2 ** 30 } as never),
  ).toBe("about 2 min · 7.0 GiB of weights");
  expect(secondsText(3.14, "scaled")).toBe("about 3.1 s");
});
