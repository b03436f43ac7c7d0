import "./MaskCanvas.css";
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from "react";
import { type MaskStep, type Point, paintFurther } from "./strokes";

interface Props {
  readonly url: string;
  readonly alt: string;
  readonly width: number;
  readonly height: number;
  readonly tool: "brush" | "eraser";
  /** Diameter in pixels of the picture. */
  readonly size: number;
  readonly steps: readonly MaskStep[];
  readonly onStep: (step: MaskStep) => void;
}

/** Pixels of the longer side that are shown: a change of one of a large canvas takes as long as one
 * of all. The mask that is sent is painted at the picture's own size. */
const MOST_SHOWN = 1536;
const MOVES: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** A picture that is painted over. By keyboard, arrows move the brush and Space puts it down. */
export function MaskCanvas({ url, alt, width, height, tool, size, steps, onStep }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [stroke, setStroke] = useState<readonly Point[]>([]);
  // Several moves may come between two renders: none of their points is lost.
  const points = useRef<readonly Point[]>([]);
  const draw = (next: readonly Point[]) => {
    points.current = next;
    setStroke(next);
  };
  /** What the canvas shows. */
  const painted = useRef<readonly MaskStep[]>([]);
  const scale = Math.min(1, MOST_SHOWN / Math.max(width, height));
  const [cursor, setCursor] = useState<Point>({ x: width / 2, y: height / 2 });

  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (context == null) return;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    const now: readonly MaskStep[] =
      stroke.length > 0 ? [...steps, { kind: tool, size, points: stroke }] : steps;
    paintFurther(context, painted.current, now, { width, height });
    painted.current = now;
  }, [steps, stroke, tool, size, width, height, scale]);

  const at = (event: PointerEvent<HTMLElement>): Point => {
    const box = event.currentTarget.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * width,
      y: ((event.clientY - box.top) / box.height) * height,
    };
  };
  const finish = () => {
    if (points.current.length > 0) onStep({ kind: tool, size, points: points.current });
    draw([]);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const move = MOVES[event.key];
    if (move !== undefined) {
      const far = event.shiftKey ? size : size / 4;
      setCursor(({ x, y }) => ({
        x: Math.min(width, Math.max(0, x + move[0] * far)),
        y: Math.min(height, Math.max(0, y + move[1] * far)),
      }));
    } else if (event.key === " ") {
      onStep({ kind: tool, size, points: [cursor] });
    } else return;
    event.preventDefault();
  };

  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms
    <div
      className="mask-canvas"
      role="group"
      aria-label="Mask: arrows move the brush, Space paints"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it is painted on by keys, too
      tabIndex={0}
      onKeyDown={onKeyDown}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        draw([at(event)]);
      }}
      onPointerMove={(event) => {
        const point = at(event);
        setCursor(point);
        if (points.current.length > 0) draw([...points.current, point]);
      }}
      onPointerUp={finish}
      onPointerCancel={finish}
    >
      <img src={url} alt={alt} draggable={false} />
      <canvas ref={canvas} width={Math.round(width * scale)} height={Math.round(height * scale)} />
      <span
        className="brush"
        style={{
          left: `${(100 * cursor.x) / width}%`,
          top: `${(100 * cursor.y) / height}%`,
          width: `${(100 * size) / width}%`,
        }}
      />
    </div>
  );
}
