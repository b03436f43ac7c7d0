import { expect, test } from "vitest";
import type { JobDocument } from "../api/types";
import { redoChanges } from "./redoRegion";

test("regions that were painted again before keep their seeds", () => {
  const job = {
    config: { stages: [{ stage: "detailer", params: { region_seeds: { "1": 5 } } }] },
  } as unknown as JobDocument;
  expect(redoChanges(job, "detailer", 2, 9)).toEqual({
    "detailer.region_seeds": { "1": 5, "2": 9 },
  });
});
