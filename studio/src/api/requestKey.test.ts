import { renderHook } from "@testing-library/react";
import { beforeEach, expect, test } from "vitest";
import { answered, useRequestKey } from "./requestKey";

const keyOf = (body: string) => renderHook(useRequestKey).result.current(body);

beforeEach(() => sessionStorage.clear());

test("what has no answer goes on with its key, on a page that is opened anew, too", () => {
  const key = keyOf("a");
  expect(keyOf("a")).toBe(key);
  answered("another");
  expect(keyOf("a")).toBe(key);
  answered(key);
  expect(keyOf("a")).not.toBe(key);
});

test("another request has another key", () => {
  const key = keyOf("a");
  expect(keyOf("b")).not.toBe(key);
});

test("the same body on the page of another job is another request", () => {
  const key = keyOf("a");
  const before = location.pathname;
  history.replaceState(null, "", "/studio/jobs/other");
  expect(keyOf("a")).not.toBe(key);
  history.replaceState(null, "", before);
});
