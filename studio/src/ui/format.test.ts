import { expect, test } from "vitest";
import { bytesText, durationText, elapsedText, spanText } from "./format";

test("bytes in units of files", () => {
  const sizes = [0, 1, 1023, 1024, 1536, 10 * 2 ** 20, 2 ** 40, 2 ** 62];
  expect(sizes.map(bytesText)).toEqual([
    "0 B",
    "1 B",
    "1023 B",
    "1.0 KiB",
    "1.5 KiB",
    "10 MiB",
    "1.0 TiB",
    "4096 PiB",
  ]);
});

test("spans in the units that tell something", () => {
  expect([4.2, 59, 60, 3600, 5400, 86_400, 90_000].map(spanText)).toEqual([
    "4 s",
    "59 s",
    "1 min",
    "1 h",
    "1 h 30 min",
    "1 d",
    "1 d 1 h",
  ]);
});

test("times are said as people say them", () => {
  expect([4.4, 1540, 59_960, 60_000].map(elapsedText)).toEqual([
    "4 ms",
    "1.5 s",
    "60.0 s",
    "1 min 0 s",
  ]);
});

test("times are no finer than they can be known", () => {
  expect([0.01, 3.14, 60, 7200].map(durationText)).toEqual([
    "less than 0.1 s",
    "3.1 s",
    "60 s",
    "2.0 h",
  ]);
});
