import { type RefObject, useLayoutEffect, useState } from "react";

/** Pixels that a tile is wide at least, and between two. */
const NARROWEST = { usual: 176, phone: 132 };
export const GAP = 8;

export interface Columns {
  readonly count: number;
  /** Pixels of a tile's side. */
  readonly side: number;
  /** Pixels from the top of the page to the first row. */
  readonly top: number;
}

/** How many tiles stand side by side in an element, and how large they are. */
export function useColumns(element: RefObject<HTMLElement | null>): Columns {
  const [columns, setColumns] = useState<Columns>({ count: 4, side: NARROWEST.usual, top: 0 });
  useLayoutEffect(() => {
    const found = element.current;
    if (found === null) return;
    const measure = () => {
      const { width, top } = found.getBoundingClientRect();
      const least = width < 520 ? NARROWEST.phone : NARROWEST.usual;
      const count = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
      const next = {
        count,
        side: (width - (count - 1) * GAP) / count,
        top: top + window.scrollY,
      };
      setColumns((before) =>
        before.count === next.count && before.side === next.side && before.top === next.top
          ? before
          : next,
      );
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(found);
    // What stands above it may grow, too.
    if (found.parentElement !== null) observer.observe(found.parentElement);
    return () => observer.disconnect();
  }, [element]);
  return columns;
}
