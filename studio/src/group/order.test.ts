import { expect, test } from "vitest";
import type { JobSummary } from "../api/types";
import { bestFirst } from "./order";

function job(id: string, decision: string | null, score: number | null): JobSummary {
  return { id, decision, score } as unknown as JobSummary;
}

test("what passes comes before what warns, and the higher score first", () => {
  const jobs = [
    job("open", null, null),
    job("warned", "warn", 0.9),
    job("good", "pass", 0.8),
    job("best", "pass", 1),
    job("failed", "fail", 0.1),
  ];
  expect(bestFirst(jobs).map(({ id }) => id)).toEqual(["best", "good", "warned", "failed", "open"]);
});
