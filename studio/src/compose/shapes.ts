/** What sizes a model takes. */
export interface SizeRules {
  readonly native: readonly [width: number, height: number];
  readonly multiple: number;
  readonly maximum: number;
}

export interface Shape {
  readonly name: string;
  /** Width to height. */
  readonly ratio: number;
}

/** The shapes to choose from, the widest last. */
export const SHAPES: readonly Shape[] = [
  { name: "Tall", ratio: 9 / 16 },
  { name: "Portrait", ratio: 3 / 4 },
  { name: "Square", ratio: 1 },
  { name: "Landscape", ratio: 4 / 3 },
  { name: "Wide", ratio: 16 / 9 },
];

/** The size of a shape with about the area that the model was made for, in steps that it takes. */
export function sizeOf(shape: Shape, { native, multiple, maximum }: SizeRules) {
  const area = native[0] * native[1];
  const rounded = (side: number) => {
    const most = Math.floor(maximum / multiple) * multiple;
    return Math.min(most, Math.max(multiple, Math.round(side / multiple) * multiple));
  };
  const width = rounded(Math.sqrt(area * shape.ratio));
  return { width, height: rounded(Math.sqrt(area / shape.ratio)) };
}

/** The shape that has this size; `null` for one of one's own. */
export function shapeOf(width: number, height: number, rules: SizeRules): Shape | null {
  const found = SHAPES.find((shape) => {
    const size = sizeOf(shape, rules);
    return size.width === width && size.height === height;
  });
  return found ?? null;
}
