import { expect, test } from "vitest";
import { openOf, sectionsOf, summaryOf } from "./checks";
import type { CheckDocument } from "./queries";

function check(
  section: string,
  name: string,
  verdict: CheckDocument["verdict"],
  found = "there",
): CheckDocument {
  return { section, name, verdict, found, remedy: verdict === "ok" ? null : "mend it" };
}

const CHECKS = [
  check("versions", "torch", "ok"),
  check("versions", "scipy", "note"),
  check("folders", "data", "missing"),
  check("dreams", "sheep", "ok"),
  check("folders", "database", "ok"),
];

test("checks by section, those of a later server too", () => {
  expect(sectionsOf(CHECKS).map(({ label, count }) => [label, count])).toEqual([
    ["Libraries", 2],
    ["Folders and database", 2],
    ["dreams", 1],
  ]);
});

test("several checks of a name stand in one line", () => {
  const [section] = sectionsOf([
    check("folders", "models", "ok", "model folder 1"),
    check("folders", "data", "ok"),
    check("folders", "models", "note", "model folder 2"),
  ]);
  expect(section?.count).toBe(3);
  expect(section?.found).toEqual([
    ["models", "model folder 1; model folder 2"],
    ["data", "there"],
  ]);
});

test("what is missing stands before notes", () => {
  expect(openOf(CHECKS).map(({ name }) => name)).toEqual(["data", "scipy"]);
});

test("the summary counts both", () => {
  expect(summaryOf(CHECKS)).toBe("1 missing · 1 note");
  expect(summaryOf(CHECKS.slice(3))).toBe("All that is needed is there");
  expect(summaryOf([...CHECKS.slice(0, 2), check("device", "threads", "note")])).toBe(
    "All that is needed is there · 2 notes",
  );
});
