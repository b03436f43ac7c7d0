import { expect, onTestFinished, test, vi } from "vitest";
import type { StageDocument } from "../api/types";
import {
  asksTheSame,
  configOf,
  type Draft,
  EMPTY,
  groupRequestOf,
  requestOf,
  stepsOf,
  withAdded,
  withAllCards,
  withConfig,
  withEdited,
  withMoved,
  withParameter,
  withPreset,
  withStage,
} from "./draft";
import { leaveDraft, readDraft, writeDraft } from "./draftAddress";

const NINE = ["prompt", "text_to_image", "refiner", "upscaler", "publisher"].map(
  (name) => ({ name, optional: false }) as StageDocument,
);
const KNOWN = [...NINE, { name: "matte", optional: true } as StageDocument];
const DRAFTED = withPreset({ ...EMPTY, prompt: "a house" }, "draft", {
  stages: [{ stage: "prompt" }, { stage: "text_to_image" }, { stage: "publisher" }],
});

function names(draft: Draft): readonly string[] {
  return draft.stages.map(({ stage, off }) => (off ? `(${stage})` : stage));
}

test("the stages that a preset leaves out are there, off, in their order", () => {
  const draft = withAllCards(DRAFTED, KNOWN);
  expect(names(draft)).toEqual(["prompt", "text_to_image", "(refiner)", "(upscaler)", "publisher"]);
  expect(configOf(draft)).toEqual(configOf(DRAFTED));
  expect(withAllCards(draft, KNOWN)).toBe(draft);
});

test("stages are added behind another, repeated and moved, and steps have their names", () => {
  const draft = withAllCards(DRAFTED, KNOWN);
  const twice = withAdded(draft, "text_to_image", 1);
  expect([...stepsOf(twice).values()]).toEqual([
    "prompt",
    "text_to_image",
    "text_to_image_2",
    "publisher",
  ]);
  const added = twice.stages[2];
  expect(names(withMoved(twice, added?.id ?? -1, 1)).slice(1, 4)).toEqual([
    "text_to_image",
    "(refiner)",
    "text_to_image",
  ]);
});

test("a config that was edited as text keeps cards that are off, and what changes are told from", () => {
  const all = withAllCards(DRAFTED, KNOWN);
  const off = all.stages.find(({ stage }) => stage === "upscaler")?.id ?? -1;
  const before = withParameter(all, off, "upscale_factor", 4);
  const after = withEdited(before, {
    description: "mine",
    prompt: "a boat",
    seed: 9007199254740993n,
    stages: [
      { stage: "prompt" },
      { stage: "text_to_image", params: { steps: 3 } },
      { stage: "matte" },
      { stage: "publisher" },
    ],
  } as never);
  expect(names(after)).toEqual([
    "prompt",
    "text_to_image",
    "matte",
    "(refiner)",
    "(upscaler)",
    "publisher",
  ]);
  expect(after.stages.find(({ stage }) => stage === "upscaler")?.params).toEqual({
    upscale_factor: 4,
  });
  expect(after.stages[1]).toMatchObject({ params: { steps: 3 }, base: {} });
  expect(after).toMatchObject({ prompt: "a boat", seed: 9007199254740993n });
  expect(configOf(after)).toMatchObject({ description: "mine" });
  expect(new Set(after.stages.map(({ id }) => id)).size).toBe(after.stages.length);
});

test("a config says all that is asked for, and a preset leaves that as it is", () => {
  const draft = withConfig(DRAFTED, { prompt: "a boat", model: "poster", stages: [] });
  expect(draft).toMatchObject({ prompt: "a boat", model: "poster", seed: null });
  expect(withPreset(draft, "draft", { stages: [] }).prompt).toBe("a boat");
});

test("what is sent leaves out stages that are off, and holds seeds to the digit", () => {
  const seeded = withStage({ ...DRAFTED, seed: 9223372036854775806n, count: 3 }, 0, false);
  expect(requestOf(seeded)).toEqual({
    config: { stages: [{ stage: "text_to_image" }, { stage: "publisher" }] },
    input: { prompt: "a house", seed: 9223372036854775806n },
  });
  expect(groupRequestOf(seeded)).toMatchObject({ count: 3, variants: false });
});

test("who paints before the preset has been loaded gets that preset", () => {
  expect(requestOf({ ...EMPTY, prompt: "a house" })).toMatchObject({ preset: "standard" });
  expect(requestOf({ ...EMPTY, preset: "draft" })).toMatchObject({ preset: "draft" });
});

test("the address holds the draft to the last digit, and nothing else is taken for one", () => {
  const draft = { ...DRAFTED, prompt: "ein 🏠", seed: 9223372036854775806n };
  writeDraft(draft);
  expect(readDraft(location.hash)).toEqual(draft);
  for (const text of ["#draft=%%%", "#draft=e30", `#draft=${btoa('{"prompt":"","stages":[1]}')}`]) {
    expect(readDraft(text)).toEqual(EMPTY);
  }
});

test("what was typed before the address held it is found at that address, and at no other", () => {
  const older = { ...DRAFTED, prompt: "a boat" };
  writeDraft(older);
  const elsewhere = location.hash;
  writeDraft(DRAFTED);
  leaveDraft({ ...DRAFTED, prompt: "a house by the sea" });
  expect(readDraft(location.hash).prompt).toBe("a house by the sea");
  expect(readDraft("").prompt).toBe("a house by the sea");
  expect(readDraft(elsewhere)).toEqual(older);
  writeDraft(DRAFTED);
  expect(readDraft(location.hash)).toEqual(DRAFTED);
});

test("a reload that began before the address was written shows what was typed", () => {
  writeDraft({ ...DRAFTED, prompt: "a boat" });
  const begun = location.hash;
  writeDraft(DRAFTED);
  leaveDraft(DRAFTED);
  expect(readDraft(begun).prompt).toBe("a boat");
  const entries = vi.spyOn(performance, "getEntriesByType");
  onTestFinished(() => entries.mockRestore());
  entries.mockReturnValue([{ type: "reload" } as never]);
  expect(readDraft(begun).prompt).toBe(DRAFTED.prompt);
  writeDraft(DRAFTED);
  expect(readDraft(begun).prompt).toBe("a boat");
});

test("of an address by hand or of another version, what is no value of its kind is left out", () => {
  const broken = {
    prompt: "a house",
    stages: [{ stage: "prompt", params: {} }],
    preset: 3,
    negativePrompt: null,
    model: {},
    seed: [],
    image: 5,
    mask: [],
    references: null,
    count: {},
    variants: "yes",
    others: [],
    unknown: 1,
  };
  expect(readDraft(`#draft=${btoa(JSON.stringify(broken))}`)).toEqual({
    ...EMPTY,
    prompt: "a house",
    stages: [{ id: 0, stage: "prompt", params: {} }],
  });
  const listed = { ...broken, stages: [{ stage: "prompt", params: [] }] };
  expect(readDraft(`#draft=${btoa(JSON.stringify(listed))}`)).toEqual(EMPTY);
});

test("what was sent before its preset was there is asked for still, once it is", () => {
  const sent = { ...EMPTY, prompt: "a house" };
  const loaded = withPreset(sent, sent.preset, { stages: [{ stage: "prompt" }] });
  expect(asksTheSame(loaded, sent)).toBe(true);
  expect(asksTheSame({ ...loaded, prompt: "a boat" }, sent)).toBe(false);
  expect(asksTheSame(withStage(loaded, 0, false), loaded)).toBe(false);
});
