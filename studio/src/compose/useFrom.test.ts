import { expect, onTestFinished, test, vi } from "vitest";
import type { JobDocument } from "../api/types";
import { requestOf } from "../draft/draft";
import { keepDraft, readDraft } from "../draft/draftAddress";
import { takeOver } from "./useFrom";

const JOB = {
  id: "20261128-1",
  config: {
    description: "mine",
    prompt: "a config's",
    stages: [
      { stage: "prompt" },
      { stage: "text_to_image", params: { control: [{ model: "edges", image: "pose" }] } },
    ],
  },
  input: {
    prompt: "a boat",
    seed: 9223372036854775806n,
    image: { name: "source.png", width: 1, height: 1, sha256: "ab" },
    mask: { name: "mask.png", width: 1, height: 1, sha256: "cd" },
    references: [
      { name: "reference_1.png", width: 1, height: 1, sha256: "ef" },
      { name: "reference_2.png", width: 1, height: 1, sha256: "01" },
    ],
    control_images: { pose: { name: "control/cd.png", width: 1, height: 1, sha256: "cd" } },
    loras: [{ name: "ink", weight: 1 }],
  },
} as unknown as JobDocument;

test("a job's config, input and files are taken over; files that are gone are told", async () => {
  const gone = ["mask.png", "reference_1.png"];
  const { draft, notes } = await takeOver(
    JOB,
    async (source) => typeof source !== "string" && !gone.includes(source.name),
  );
  const image = { job: "20261128-1", name: "source.png" };
  const references = [{ job: "20261128-1", name: "reference_2.png" }];
  expect(draft).toMatchObject({
    prompt: "a boat",
    seed: 9223372036854775806n,
    image,
    mask: null,
    references,
    others: { description: "mine" },
  });
  expect(draft.stages.map(({ stage }) => stage)).toEqual(["prompt", "text_to_image"]);
  expect(notes).toEqual([
    "The reference 1 of 20261128-1 is not there any more: choose it again.",
    "Loras of 20261128-1 cannot be composed here, and is left out.",
    "The mask of 20261128-1 is not there any more: choose it again.",
  ]);
  const control_images = { pose: { job: "20261128-1", name: "control/cd.png" } };
  expect(requestOf(draft).input).toMatchObject({ image, references, control_images });
  const stages = draft.stages.map((card) => ({ ...card, off: card.stage === "text_to_image" }));
  expect(requestOf({ ...draft, stages }).input).not.toHaveProperty("control_images");
  onTestFinished(() => {
    vi.unstubAllGlobals();
  });
  vi.stubGlobal("localStorage", { setItem: () => undefined });
  expect(readDraft(`#draft=${keepDraft(draft)}`)).toMatchObject({
    image,
    mask: null,
    references,
    controlImages: control_images,
  });
});

test("a job that started from a prompt alone has no files to ask for", async () => {
  const asked = vi.fn(async () => true);
  const { draft } = await takeOver({ ...JOB, input: { prompt: "a boat", image: null } }, asked);
  expect([draft.image, draft.mask, draft.references]).toEqual([null, null, []]);
  expect(asked).not.toHaveBeenCalled();
});
