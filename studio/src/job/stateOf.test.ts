import { expect, test } from "vitest";
import type { JobDocument } from "../api/types";
import { stateOf } from "./StageStrip";

const JOB = { reused: ["prompt"], error: null, stage: "refiner", metadata: { text_to_image: {} } };

test("what a job did not come to waits while it runs, and is not run once it has ended", () => {
  const running = { ...JOB, status: "running" } as unknown as JobDocument;
  const steps = ["prompt", "text_to_image", "refiner", "publisher"];
  expect(steps.map((step) => stateOf(running, step))).toEqual([
    "reused",
    "finished",
    "running",
    "waiting",
  ]);
  const cancelled = { ...running, status: "cancelled" } as JobDocument;
  expect(steps.map((step) => stateOf(cancelled, step))).toEqual([
    "reused",
    "finished",
    "not run",
    "not run",
  ]);
});
