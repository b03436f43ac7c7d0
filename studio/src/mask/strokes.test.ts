import { expect, test } from "vitest";
import { isBlank, type MaskStep, paintFurther, paintMask } from "./strokes";

const BRUSH: MaskStep = { kind: "brush", size: 9, points: [{ x: 1, y: 1 }] };

test("a mask is blank until something is marked, and after it was cleared", () => {
  expect(isBlank([])).toBe(true);
  expect(isBlank([{ ...BRUSH, kind: "eraser" }])).toBe(true);
  expect(isBlank([BRUSH])).toBe(false);
  expect(isBlank([BRUSH, { kind: "clear" }])).toBe(true);
  expect(isBlank([BRUSH, { kind: "clear" }, { kind: "invert" }])).toBe(false);
});

const SIZE = { width: 100, height: 100 };

/** What is called on a canvas. */
function painting(paint: (context: CanvasRenderingContext2D) => void): string[] {
  const calls: string[] = [];
  const context = new Proxy({} as CanvasRenderingContext2D, {
    get:
      (_, name) =>
      (...given: unknown[]) =>
        calls.push(`${String(name)} ${given}`),
    set: () => true,
  });
  paint(context);
  return calls.filter((call) => !/^(save|restore|beginPath)/.test(call));
}

test("a stroke that grows is painted from where it was", () => {
  const points = [1, 2, 3, 4].map((x) => ({ x, y: 1 }));
  const box: MaskStep = { kind: "box", box: [0, 0, 5, 5] };
  const short: MaskStep = { ...BRUSH, points: points.slice(0, 2) };
  const long: MaskStep = { ...BRUSH, points };
  const further = (painted: readonly MaskStep[], steps: readonly MaskStep[]) =>
    painting((context) => paintFurther(context, painted, steps, SIZE));
  const anew = (steps: readonly MaskStep[]) =>
    painting((context) => paintMask(context, steps, SIZE));
  expect(further([box, short], [box, long]).filter((call) => /To/.test(call))).toEqual([
    "moveTo 2,1",
    "lineTo 3,1",
    "lineTo 4,1",
  ]);
  expect(further([box, short], [box, short])).toEqual([]);
  expect(further([], [box])).toEqual(anew([box]).slice(1));
  expect(further([box], [box, short, box])).toEqual(anew([short, box]).slice(1));
  // Whole, where something is undone, a stroke has ended, is another, or of another size.
  const ended: MaskStep = { ...short };
  const size: MaskStep = { ...long, size: 20 };
  const other: MaskStep = { ...long, points: points.map((point) => ({ ...point })) };
  for (const steps of [[box], [short], [box, ended], [box, size], [box, other]]) {
    expect(further([box, short], steps)).toEqual(anew(steps));
  }
});
