import { expect, test } from "vitest";
import { FIT, pinched, zoomed } from "./useZoom";

test("what lies under the pointer stays there", () => {
  const view = zoomed(FIT, 4, 100, -50);
  // The point (25, -12.5) of the picture was not moved before: it lay at itself.
  expect({ x: 100 * view.scale + view.x, y: -50 * view.scale + view.y }).toEqual({
    x: 100,
    y: -50,
  });
});

test("zooming out ends with the whole picture in the middle", () => {
  expect(zoomed({ scale: 1.1, x: 40, y: 3 }, 1 / 1.25)).toEqual(FIT);
});

test("what lies between two fingers stays between them", () => {
  const before = [
    { x: -10, y: 0 },
    { x: 30, y: 0 },
  ] as const;
  const after = [
    { x: -10, y: 0 },
    { x: 70, y: 0 },
  ] as const;
  const view = pinched(FIT, before, after);
  expect(view.scale).toBe(2);
  // The picture's point (10, 0) lay between them, and lies there at (30, 0).
  expect(10 * view.scale + view.x).toBe(30);
  expect(pinched(view, after, before)).toEqual(FIT);
});
