import { expect, test } from "vitest";
import { placed } from "./useCheck";

test("problems stand at the parameter of the step that they name", () => {
  const found = placed([
    { detail: "detailer_2.confidence: at most 1.", place: "detailer_2.confidence" },
    { detail: "finisher requires image.", place: "finisher" },
    { detail: "input should be an integer.", pointer: "#/input/seed" },
    { detail: "inputs.0.model: not here.", place: "inputs.0.model" },
    { detail: "something else." },
  ]);
  expect(found.errors).toEqual({
    detailer_2: { confidence: "At most 1." },
    finisher: { "": "Finisher requires image." },
    seed: { "": "Input should be an integer." },
    model: { "": "Not here." },
  });
  expect(found.others).toEqual(["something else."]);
});
