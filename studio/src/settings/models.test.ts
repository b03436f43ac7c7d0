import { expect, test } from "vitest";
import type { ModelList } from "../api/types";
import { kindsOf } from "./models";

const LIST = {
  object: "list",
  data: [
    {
      id: "poster",
      family: "StableDiffusionXL",
      native_size: [1024, 1024],
      size_bytes: 3 * 2 ** 30,
      capabilities: { "starts from": "a prompt" },
    },
    { id: "broken", error: "broken: the file is cut short. Copy it again." },
    { id: "dall-e-3", alias_of: "poster" },
  ],
  schedulers: ["default"],
  loras: ["sketch"],
  detectors: [],
  upscalers: ["2x"],
  dreams: ["sheep"],
  details: [{ id: "sketch", kind: "lora", family: "SDXL", triggers: ["ink"] }],
} as unknown as ModelList;

test("models by kind, those that are missing and those of plugins too", () => {
  const kinds = kindsOf(LIST);
  expect(kinds.map(({ id, models }) => [id, models.length])).toEqual([
    ["diffusion", 3],
    ["loras", 1],
    ["detectors", 0],
    ["upscalers", 1],
    ["schedulers", 1],
    ["dreams", 1],
  ]);
  const [poster, broken, alias] = kinds[0]?.models ?? [];
  expect(poster?.facts).toEqual(["StableDiffusionXL", "1024 × 1024", "3.0 GiB"]);
  expect(poster?.abilities).toEqual([["starts from", "a prompt"]]);
  expect(broken?.error).toContain("Copy it again");
  expect(alias?.facts).toEqual(["another name for poster"]);
  expect(kinds[1]?.models[0]?.facts).toEqual(["SDXL", "say: ink"]);
});
