import { expect, test } from "vitest";
import { refusalOf } from "./uploads";

test("what cannot be a picture is said before it is sent", () => {
  expect(refusalOf(new File(["x"], "notes.txt", { type: "text/plain" }))).toContain(
    "notes.txt is text/plain: expected a PNG",
  );
  expect(refusalOf(new File([], "a.png", { type: "image/png" }))).toBe("a.png is empty.");
  expect(refusalOf(new File(["x"], "a.png", { type: "image/png" }))).toBe(null);
  expect(refusalOf(new File(["x"], "a.jxl"))).toBe(null);
});
