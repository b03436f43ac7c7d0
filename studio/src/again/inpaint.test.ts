import { expect, test } from "vitest";
import type { JobDocument } from "../api/types";
import { inpaintRequest } from "./inpaint";

const GIVEN = { prompt: "a door", picture: "finished.png", mask: "ab", strength: 0.5, feather: 2 };

test("a part is painted by what the job said of prompts, model and files", () => {
  const job = {
    id: "20261128-1",
    input: { prompt: "a house", negative_prompt: "fog" },
    config: {
      prompt: "a hut",
      seed: 7,
      model: "poster",
      components: "other",
      stages: [
        { stage: "prompt", params: { styles: ["evening"] } },
        { stage: "text_to_image", params: { steps: 4 } },
        { stage: "publisher", params: { formats: ["webp"] } },
      ],
    },
  } as unknown as JobDocument;
  expect(inpaintRequest(job, GIVEN)).toEqual({
    config: {
      model: "poster",
      components: "other",
      stages: [
        { stage: "prompt", params: { styles: ["evening"] } },
        { stage: "detailer", params: { strength: 0.5, blur: 2, dilate: 0 } },
        { stage: "publisher", params: { formats: ["webp"] } },
      ],
    },
    input: {
      prompt: "a door",
      image: { job: "20261128-1", name: "finished.png" },
      mask: "ab",
      negative_prompt: "fog",
    },
  });
});
