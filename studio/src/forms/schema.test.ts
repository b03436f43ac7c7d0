import { expect, test } from "vitest";
import { fieldsOf } from "./schema";

test("fields are what pydantic's schema says of parameters", () => {
  const fields = fieldsOf({
    properties: {
      model: { anyOf: [{ type: "string", "x-model": { kind: "diffusion" } }, { type: "null" }] },
      steps: { anyOf: [{ type: "integer", minimum: 1, maximum: 200 }, { type: "null" }] },
      quality: { type: "string", enum: ["lossless", "fast"], default: "lossless" },
      metadata: { $ref: "#/$defs/Level", default: "full" },
      prompt: { type: "string", maxLength: 20000, default: "" },
      styles: { type: "array", items: { type: "string" }, default: [] },
      formats: { type: "array", items: { $ref: "#/$defs/Format" }, default: ["png"] },
      control: { type: "array", items: { $ref: "#/$defs/Control" }, default: [] },
      sign: { type: "boolean", default: false },
    },
    $defs: {
      Level: { type: "string", enum: ["full", "none"] },
      Control: { type: "object" },
      Format: { type: "string", enum: ["png", "jpeg"] },
    },
  });
  const kinds = Object.fromEntries(fields.map((field) => [field.name, field.kind]));
  expect(kinds).toEqual({
    model: "model",
    steps: "integer",
    quality: "choice",
    metadata: "choice",
    prompt: "paragraph",
    styles: "texts",
    formats: "choices",
    control: "json",
    sign: "boolean",
  });
  const steps = fields.find((field) => field.name === "steps");
  expect(steps).toMatchObject({ nullable: true, minimum: 1, maximum: 200, label: "Steps" });
});
