import { expect, test } from "vitest";
import { LiveStore } from "./liveStore";

function filled() {
  const store = new LiveStore();
  const send = (name: string, data: object) => store.receive({ name, data: JSON.stringify(data) });
  return { store, send };
}

test("steps and previews come together, and every preview has an address of its own", () => {
  const { store, send } = filled();
  send("stage_progressed", { job: "a", stage: "refiner", done: 2, total: 8 });
  send("preview_available", { job: "a", stage: "refiner", preview: "/v1/jobs/a/preview" });
  const first = store.job("a").progress["refiner"];
  expect(first).toMatchObject({ done: 2, total: 8 });
  send("preview_available", { job: "a", stage: "refiner", preview: "/v1/jobs/a/preview" });
  expect(store.job("a").progress["refiner"]?.preview).not.toBe(first?.preview);
  expect(store.job("b").progress).toEqual({});
});

test("what has ended, or waits again, has no progress; listeners are told of changes alone", () => {
  const { store, send } = filled();
  let told = 0;
  store.subscribe(() => {
    told += 1;
  });
  send("stage_progressed", { job: "a", stage: "refiner", done: 2, total: 8 });
  send("job_ended", { job: "a", status: "succeeded" });
  send("job_ended", { job: "b", status: "succeeded" });
  expect([store.job("a").progress, told]).toEqual([{}, 2]);
});
