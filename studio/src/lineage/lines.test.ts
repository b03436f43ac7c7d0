import { expect, test } from "vitest";
import type { Relative } from "../api/types";
import { type Line, linesOf, nameOf } from "./lines";

function version(id: string, parent: string | null, others: Partial<Relative> = {}): Relative {
  return { id, parent, from_stage: null, changes: null, job: null, ...others };
}

const idsOf = (lines: readonly Line[]): unknown[] =>
  lines.map(({ versions, branches }) => [versions.map(({ id }) => id), idsOf(branches)]);

test("reruns in a row are one line; a version that was run again twice has branches", () => {
  const family = [
    version("a", null),
    version("b", "a"),
    version("c", "b"),
    version("d", "b"),
    version("e", "d"),
  ];
  expect(idsOf(linesOf(family))).toEqual([
    [
      ["a", "b"],
      [
        [["c"], []],
        [["d", "e"], []],
      ],
    ],
  ]);
});

test("a thousand in a row are no thousand levels, and a lost parent hides nobody", () => {
  const row = Array.from({ length: 1000 }, (_, index) =>
    version(`${index}`, index === 0 ? "gone" : `${index - 1}`),
  );
  const lines = linesOf(row);
  expect(lines).toHaveLength(1);
  expect(lines[0]?.versions).toHaveLength(1000);
  expect(lines[0]?.branches).toEqual([]);
});

test("a version is named by what was changed", () => {
  expect(nameOf(version("a", null))).toBe("The first");
  expect(nameOf(version("b", "a", { from_stage: "upscaler", changes: {} }))).toBe(
    "Run again from upscaler",
  );
  expect(nameOf(version("b", "a"))).toBe("Run again");
  const changes = {
    "text_to_image.guidance_scale": 5.5,
    "upscaler.tile": null,
    "inspector.strict": true,
    seed: 9223372036854775807n,
    prompt: "a <b>blue</b> house",
    mask: "mask.png",
  };
  expect(nameOf(version("b", "a", { from_stage: "prompt", changes: changes as never }))).toBe(
    "Text to image: guidance scale 5.5; Upscaler: tile by default; Inspector: strict on; " +
      "Seed 9223372036854775807; Prompt a <b>blue</b> house; Another mask",
  );
});
