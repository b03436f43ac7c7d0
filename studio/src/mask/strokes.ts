/** A mask as what was done to make it, so that any step can be undone. Lengths are in pixels of the
 * picture. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export type MaskStep =
  | {
      readonly kind: "brush" | "eraser";
      /** Diameter. */
      readonly size: number;
      readonly points: readonly Point[];
    }
  | { readonly kind: "box"; readonly box: readonly [number, number, number, number] }
  /** A mask that is there already: white where it marks, transparent elsewhere. */
  | { readonly kind: "mask"; readonly marked: CanvasImageSource }
  | { readonly kind: "invert" }
  | { readonly kind: "clear" };

/** Paint the steps of a mask of this size: white where the mask is, transparent elsewhere. */
export function paintMask(
  context: CanvasRenderingContext2D,
  steps: readonly MaskStep[],
  size: Size,
): void {
  context.clearRect(0, 0, size.width, size.height);
  for (const step of steps) paintStep(context, step, size);
}

/** Paint the steps where `painted` are already: only what has come since, where that is enough. A
 * large mask takes long to paint, and a stroke grows with every move of the pointer. Where its
 * pieces meet, its edge is a little fuller than painted at once, as it is when it has ended. */
export function paintFurther(
  context: CanvasRenderingContext2D,
  painted: readonly MaskStep[],
  steps: readonly MaskStep[],
  size: Size,
): void {
  const last = painted.length - 1;
  const isFurther = painted.every(
    (step, at) => step === steps[at] || (at === last && isLonger(step, steps[at])),
  );
  if (!isFurther) {
    paintMask(context, steps, size);
    return;
  }
  steps.slice(Math.max(last, 0)).forEach((step, at) => {
    const before = at === 0 ? painted[last] : undefined;
    if (step !== before) paintStep(context, partOf(step, before), size);
  });
}

/** Whether `now` is the stroke `before`, with more points. */
function isLonger(before: MaskStep, now: MaskStep | undefined): boolean {
  if (!("points" in before) || now === undefined || !("points" in now)) return false;
  const { length } = before.points;
  return (
    length < now.points.length &&
    before.kind === now.kind &&
    before.size === now.size &&
    before.points[0] === now.points[0] &&
    before.points[length - 1] === now.points[length - 1]
  );
}

/** What of a step was not painted with `before`: a stroke goes on from its last point. */
function partOf(step: MaskStep, before: MaskStep | undefined): MaskStep {
  if (before === undefined || !("points" in before) || !("points" in step)) return step;
  return { ...step, points: step.points.slice(before.points.length - 1) };
}

function paintStep(
  context: CanvasRenderingContext2D,
  step: MaskStep,
  { width, height }: Size,
): void {
  context.save();
  context.fillStyle = "white";
  context.strokeStyle = "white";
  switch (step.kind) {
    case "clear":
      context.clearRect(0, 0, width, height);
      break;
    case "mask":
      context.drawImage(step.marked, 0, 0, width, height);
      break;
    case "invert":
      // White everywhere but where it was.
      context.globalCompositeOperation = "xor";
      context.fillRect(0, 0, width, height);
      break;
    case "box": {
      const [left, top, right, bottom] = step.box;
      context.fillRect(left, top, right - left, bottom - top);
      break;
    }
    default:
      if (step.kind === "eraser") context.globalCompositeOperation = "destination-out";
      paintStroke(context, step.size, step.points);
  }
  context.restore();
}

function paintStroke(
  context: CanvasRenderingContext2D,
  size: number,
  points: readonly Point[],
): void {
  const [first, ...others] = points;
  if (first === undefined) return;
  // A dab at the beginning: a line of no length would leave nothing.
  context.beginPath();
  context.arc(first.x, first.y, size / 2, 0, 2 * Math.PI);
  context.fill();
  if (others.length === 0) return;
  context.lineWidth = size;
  context.lineCap = "round";
  context.lineJoin = "round";
  context.beginPath();
  context.moveTo(first.x, first.y);
  for (const point of others) context.lineTo(point.x, point.y);
  context.stroke();
}

/** The mask of a file, white on black, as a first step; throws where it cannot be loaded. */
export async function maskStep(url: string, size: Size): Promise<MaskStep> {
  const image = new Image();
  image.src = url;
  await image.decode();
  const context = canvasOf(size);
  context.drawImage(image, 0, 0, size.width, size.height);
  await changePixels(context, (pixel) => ((pixel & 0xff) >= 128 ? WHITE : CLEAR));
  return { kind: "mask", marked: context.canvas };
}

/** A PNG of the mask, white on black, of the picture's size. Its edges are hard, so that an eraser
 * leaves no rim of what a brush of its size marked; how soft they act is the detailer's affair. */
export async function maskFile(steps: readonly MaskStep[], size: Size): Promise<File> {
  const context = canvasOf(size);
  paintMask(context, steps, size);
  await changePixels(context, (pixel) => (pixel >>> 24 >= 128 ? WHITE : BLACK));
  return new Promise((resolve, reject) =>
    context.canvas.toBlob((blob) => {
      if (blob === null) reject(new Error("The mask is too large for this browser."));
      else resolve(new File([blob], "mask.png", { type: blob.type }));
    }, "image/png"),
  );
}

/** Pixels as a canvas has them, the lowest byte first: red, green, blue, alpha. */
const WHITE = 0xffffffff;
const BLACK = 0xff000000;
const CLEAR = 0x00ffffff;
/** Pixels that are changed at a time: the page goes on between. */
const BAND = 1 << 20;

/** Change every pixel. */
async function changePixels(
  context: CanvasRenderingContext2D,
  change: (pixel: number) => number,
): Promise<void> {
  const { width, height } = context.canvas;
  const rows = Math.max(1, Math.floor(BAND / width));
  for (let top = 0; top < height; top += rows) {
    if (top > 0) await new Promise((resolve) => setTimeout(resolve));
    const band = context.getImageData(0, top, width, Math.min(rows, height - top));
    const pixels = new Uint32Array(band.data.buffer);
    for (let at = 0; at < pixels.length; at++) pixels[at] = change(pixels[at] ?? 0);
    context.putImageData(band, 0, top);
  }
}

function canvasOf({ width, height }: Size): CanvasRenderingContext2D {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  // Its pixels are read: they stay where scripts reach them.
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("The mask is too large for this browser.");
  return context;
}

/** Whether anything is marked, as far as the steps tell. */
export function isBlank(steps: readonly MaskStep[]): boolean {
  const since = steps.slice(steps.findLastIndex(({ kind }) => kind === "clear") + 1);
  return since.every(({ kind }) => kind === "eraser" || kind === "clear");
}
