import { expect, test } from "vitest";
import { placed, toldOf } from "./useCheck";

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

test("that the prompt is missing is told of none that was asked about once it is begun", () => {
  const missing = { detail: "prompt: no 'prompt' in the context.", place: "prompt" };
  const other = { detail: "finisher.grain: at most 1.", place: "finisher.grain" };
  expect(toldOf({ input: { prompt: "" } }, [missing, other])).toEqual([other]);
  expect(toldOf({ inputs: [{ prompt: "" }] }, [missing])).toEqual([]);
  expect(toldOf({ input: { prompt: "a {red|boat" } }, [missing])).toEqual([missing]);
});
