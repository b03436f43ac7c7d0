import { expect, test } from "vitest";
import { filtersOf, problemsOf, queryOf, searchOf } from "./filters";

test("filters come back from the address as they were", () => {
  const search = "q=red+house&seed=7&from=2026-01-02&status=queued&status=failed&favourite=true";
  expect(searchOf(filtersOf(new URLSearchParams(search))).toString()).toBe(search);
});

test("a status that there is not is left out", () => {
  expect(filtersOf(new URLSearchParams("status=lost&status=failed")).statuses).toEqual(["failed"]);
});

test("the list ends at the day that was asked for, or earlier where it is held still", () => {
  const filters = filtersOf(new URLSearchParams("to=2026-01-02"));
  const day = new Date("2026-01-03T00:00").toISOString();
  expect(queryOf(filters, "2027-01-01T00:00:00.000Z")).toEqual({ created_before: day });
  expect(queryOf(filters, "2025-01-01T00:00:00.000Z")).toEqual({
    created_before: "2025-01-01T00:00:00.000Z",
  });
});

test("seeds keep every digit, and what is none is said and not sent", () => {
  const largest = filtersOf(new URLSearchParams("seed=9223372036854775807"));
  expect(problemsOf(largest)).toEqual({});
  expect(queryOf(largest, null)).toEqual({ seed: "9223372036854775807" });
  for (const seed of ["9223372036854775808", "-1", "seven", "1.5"]) {
    const wrong = filtersOf(new URLSearchParams({ seed }));
    expect(problemsOf(wrong).seed).toContain(seed);
    expect(queryOf(wrong, null)).toEqual({});
  }
});
