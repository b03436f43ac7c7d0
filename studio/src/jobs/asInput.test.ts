import { expect, test } from "vitest";
import { asInput } from "./asInput";

const file = (name: string) => ({ name, width: 64, height: 48, sha256: "ab" });

test("a job's pictures are its files, wherever an input holds them", () => {
  const input = {
    prompt: "a house",
    seed: 9223372036854775806n,
    negative_prompt: null,
    image: file("source.png"),
    mask: file("mask.png"),
    references: [file("reference_1.png"), file("reference_2.png")],
    control_images: { pose: file("control/ab.png") },
    loras: [{ name: "ink", weight: 0.5 }],
  };
  const of = (name: string) => ({ job: "20261128-1", name });
  expect(asInput({ id: "20261128-1", input } as never)).toEqual({
    prompt: "a house",
    seed: 9223372036854775806n,
    image: of("source.png"),
    mask: of("mask.png"),
    references: [of("reference_1.png"), of("reference_2.png")],
    control_images: { pose: of("control/ab.png") },
    loras: [{ name: "ink", weight: 0.5 }],
  });
});
