import { expect, test } from "vitest";
import { decoded, MAX_BYTES, textOf } from "./files";

test("text in UTF-8 and UTF-16, and what is none", async () => {
  expect(decoded(new TextEncoder().encode("\uFEFFä"), "a")).toBe("ä");
  expect(decoded(new Uint8Array([0xff, 0xfe, 0x61, 0]), "a")).toBe("a");
  expect(() => decoded(new Uint8Array([0x89, 0x50, 0xff]), "a.png")).toThrow("a.png is no text");
  expect(() => decoded(new Uint8Array([0x50, 0, 0x50]), "a.bin")).toThrow("is no text");
  expect(() => decoded(new Uint8Array(), "a.csv")).toThrow("empty");
  const large = new File([new Uint8Array(MAX_BYTES + 1)], "large.csv");
  await expect(textOf(large)).rejects.toThrow("at most 16");
});
