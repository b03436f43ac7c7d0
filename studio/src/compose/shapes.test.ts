import { expect, test } from "vitest";
import { SHAPES, shapeOf, sizeOf } from "./shapes";

const SDXL = { native: [1024, 1024], multiple: 8, maximum: 2048 } as const;

test("shapes have the model's area, in steps that it takes", () => {
  const sizes = SHAPES.map((shape) => sizeOf(shape, SDXL));
  expect(sizes[2]).toEqual({ width: 1024, height: 1024 });
  expect(sizes[4]).toEqual({ width: 1368, height: 768 });
  for (const { width, height } of sizes) {
    expect([width % 8, height % 8]).toEqual([0, 0]);
    expect((width * height) / 1024 ** 2).toBeCloseTo(1, 1);
  }
});

test("no side is longer than the model takes, and a size of one's own is no shape", () => {
  const small = { native: [128, 128], multiple: 16, maximum: 150 } as const;
  expect(SHAPES.map((shape) => sizeOf(shape, small).width)).toEqual([96, 112, 128, 144, 144]);
  expect(shapeOf(144, 112, small)?.name).toBe("Landscape");
  expect(shapeOf(144, 128, small)).toBe(null);
});
