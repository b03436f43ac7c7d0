import { expect, test } from "vitest";
import { cellValue } from "./cells";

test("cells keep every digit, and what is no value stays as it is", () => {
  expect(cellValue("9223372036854775807", "integer")).toBe(9223372036854775807n);
  expect(cellValue(" 007 ", "integer")).toBe(7);
  expect(cellValue("-1", "integer")).toBe(-1);
  expect(cellValue("1.2E+18", "number")).toBe(1.2e18);
  expect(cellValue("seven", "integer")).toBe("seven");
  expect(cellValue("", "integer")).toBeUndefined();
  expect(cellValue(12n, "integer")).toBe(12n);
  expect(cellValue("TRUE", "boolean")).toBe(true);
  expect(cellValue("png, webp", "choices")).toEqual(["png", "webp"]);
  expect(cellValue('{"a": 1}', "json")).toEqual({ a: 1 });
  expect(cellValue("7", "text")).toBe("7");
});
