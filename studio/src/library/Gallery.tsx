import "./Gallery.css";
import { defaultRangeExtractor, useWindowVirtualizer } from "@tanstack/react-virtual";
import {
  type FocusEvent,
  type KeyboardEvent,
  type MouseEvent,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import type { JobSummary } from "../api/types";
import { moveOf } from "./selection";
import { Tile, tileId } from "./Tile";
import { GAP, useColumns } from "./useColumns";

/** Something that is done to a job of the gallery. */
export type Act = "open" | "choose" | "toggle" | "range" | "favourite" | "group";

interface Props {
  readonly total: number;
  at(index: number): JobSummary | undefined;
  readonly chosen: ReadonlySet<string>;
  /** The place that keys go to. */
  readonly focus: number;
  /** Which places are in sight. */
  onRange(first: number, last: number): void;
  onAct(act: Act, index: number): void;
  onFocus(index: number): void;
  /** A key that is not about one tile; whether it is one. */
  onKey(event: KeyboardEvent): boolean;
}

/** Rows of tiles, of which only those in sight exist; keys move through them as through a table. */
export function Gallery({ total, at, chosen, focus, onRange, onAct, onFocus, onKey }: Props) {
  const grid = useRef<HTMLDivElement>(null);
  const { count: columns, side, top } = useColumns(grid);
  const [wantsFocus, setWantsFocus] = useState(false);
  const rows = Math.ceil(total / columns);
  const focusRow = Math.floor(Math.min(focus, total - 1) / columns);
  const height = side + GAP;
  const virtual = useWindowVirtualizer({
    count: rows,
    estimateSize: () => height,
    overscan: 2,
    scrollMargin: top,
    // Of the bars above and below.
    scrollPaddingStart: BAR,
    scrollPaddingEnd: BAR,
    // The row with the focus stays, or the focus would be lost with it.
    rangeExtractor: (range) => {
      const found = defaultRangeExtractor(range);
      return found.includes(focusRow) || focusRow >= range.count
        ? found
        : [...found, focusRow].sort((one, other) => one - other);
    },
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another height moves every row
  useLayoutEffect(() => virtual.measure(), [virtual, height]);

  const { startIndex = 0, endIndex = 0 } = virtual.range ?? {};
  const first = startIndex * columns;
  const last = Math.min(total, (endIndex + 1) * columns) - 1;
  useLayoutEffect(() => onRange(first, Math.max(first, last)), [onRange, first, last]);

  useLayoutEffect(() => {
    if (!wantsFocus) return;
    document.getElementById(tileId(focus))?.focus({ preventScroll: true });
    setWantsFocus(false);
  }, [wantsFocus, focus]);

  const go = (index: number) => {
    onFocus(index);
    setWantsFocus(true);
    virtual.scrollToIndex(Math.floor(index / columns), { align: "auto" });
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (onKey(event)) return event.preventDefault();
    const far = event.ctrlKey || event.metaKey;
    const page = { columns, rows: Math.max(1, endIndex - startIndex - 1), total };
    const to = moveOf(event.key, focus, page, far);
    if (to !== null) {
      event.preventDefault();
      go(to);
      if (event.shiftKey) onAct("range", to);
      return;
    }
    const act = KEYS[event.key];
    if (act === undefined || far) return;
    event.preventDefault();
    onAct(act, focus);
  };

  // It may come from elsewhere: by going back to this page, or by a screen reader's own keys.
  const onFocusIn = (event: FocusEvent) => {
    const index = indexOf(event.target);
    if (index >= 0 && index !== focus) onFocus(index);
  };

  const onClick = (event: MouseEvent) => {
    const target = event.target as Element;
    const index = indexOf(target);
    if (index < 0) return;
    const button = target.closest("[data-act]");
    const far = event.ctrlKey || event.metaKey;
    const act = button?.getAttribute("data-act");
    if (act === "open" && far) return; // another tab, by the browser
    event.preventDefault();
    onFocus(index);
    if (act !== null && act !== undefined) return onAct(act as Act, index);
    if (event.shiftKey) return onAct("range", index);
    if (far) return onAct("toggle", index);
    const isTouch = (event.nativeEvent as PointerEvent).pointerType === "touch";
    onAct(isTouch && chosen.size === 0 ? "open" : isTouch ? "toggle" : "choose", index);
  };

  return (
    // biome-ignore lint/a11y/useSemanticElements: a table cannot be virtual
    <div
      ref={grid}
      role="grid"
      className="gallery"
      aria-label="Jobs, the newest first"
      aria-multiselectable="true"
      aria-rowcount={rows}
      aria-colcount={columns}
      style={{ height: Math.max(0, virtual.getTotalSize() - GAP) }}
      onKeyDown={onKeyDown}
      onFocus={onFocusIn}
      onClick={onClick}
      onDoubleClick={(event) => {
        const index = indexOf(event.target as Element);
        if (index >= 0 && (event.target as Element).closest("[data-act]") === null) {
          onAct("open", index);
        }
      }}
    >
      {virtual.getVirtualItems().map((row) => (
        // biome-ignore lint/a11y/useSemanticElements: as above
        // biome-ignore lint/a11y/useFocusableInteractive: its cells have the focus
        <div
          key={row.key}
          role="row"
          className="gallery-row"
          aria-rowindex={row.index + 1}
          style={{ transform: `translateY(${row.start - top}px)` }}
        >
          {Array.from({ length: Math.min(columns, total - row.index * columns) }, (_, column) => {
            const index = row.index * columns + column;
            const job = at(index);
            return (
              <Tile
                key={index}
                index={index}
                column={column}
                side={side}
                job={job}
                isChosen={job !== undefined && chosen.has(job.id)}
                isFocused={index === focus}
              />
            );
          })}
        </div>
      ))}
    </div>
  );
}

/** The place of the tile that an element is in; -1 where it is in none. */
function indexOf(element: Element): number {
  return Number(element.closest("[data-index]")?.getAttribute("data-index") ?? -1);
}

/** Pixels at the top and bottom that bars may cover. */
const BAR = 72;

const KEYS: Readonly<Record<string, Act>> = {
  Enter: "open",
  " ": "toggle",
  f: "favourite",
  g: "group",
};
