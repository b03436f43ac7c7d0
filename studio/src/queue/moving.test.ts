import { expect, test } from "vitest";
import { type Direction, dropOf, moved, moveOf, type WaitingJob } from "./moving";

const LINE = [
  { id: "a", priority: 1 },
  { id: "b", priority: 100 },
  { id: "c", priority: 100 },
  { id: "d", priority: 100 },
  { id: "e", priority: 200 },
].map((job) => ({ ...job, prompt: "", group: null })) as readonly WaitingJob[];

const ids = (line: readonly WaitingJob[]) => line.map(({ id }) => id).join("");
const go = (at: number, direction: Direction, isWhole = true) => {
  const move = moveOf(LINE, at, direction, isWhole);
  return move === null ? null : ids(moved(LINE, LINE[at]?.id ?? "", move));
};

test("jobs are moved among those of their priority", () => {
  expect(go(1, "up")).toBeNull();
  expect(go(2, "up")).toBe("acbde");
  expect(go(3, "first")).toBe("adbce");
  expect(go(1, "down")).toBe("acbde");
  expect(go(2, "down")).toBe("abdce");
  expect(go(3, "down")).toBeNull();
  expect(go(1, "last")).toBe("acdbe");
});

test("below the end of a list that was cut, others may follow", () => {
  expect(go(4, "last")).toBeNull();
  expect(moveOf(LINE, 4, "last", false)).toEqual({ to: "last" });
  const cut = LINE.slice(0, 4);
  expect(moveOf(cut, 2, "down", false)).toBeNull();
  expect(moveOf(cut, 2, "down", true)).toEqual({ to: "last" });
});

test("a job that is dropped on another takes its place", () => {
  const drop = (from: number, onto: number) => {
    const move = dropOf(LINE, from, onto);
    return move === null ? null : ids(moved(LINE, LINE[from]?.id ?? "", move));
  };
  expect(drop(3, 1)).toBe("adbce");
  expect(drop(1, 2)).toBe("acbde");
  expect(drop(1, 3)).toBe("acdbe");
  expect(drop(1, 4)).toBeNull();
});
