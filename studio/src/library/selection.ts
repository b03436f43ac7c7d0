/** Which tiles are chosen, and which one has the focus: pure functions over their places. */

export interface Selection {
  /** Jobs, since places change when others are deleted. */
  readonly ids: ReadonlySet<string>;
  /** The tile that keys go to. */
  readonly focus: number;
  /** Where a range begins. */
  readonly pivot: number;
}

export const NONE: Selection = { ids: new Set(), focus: 0, pivot: 0 };

/** Tiles that a range may hold: what is done with them is sent by their ids. */
export const MOST = 1000;

/** Choose one alone. */
export function only(index: number, id: string): Selection {
  return { ids: new Set([id]), focus: index, pivot: index };
}

/** Choose one beside the others, or no more. */
export function toggled(before: Selection, index: number, id: string): Selection {
  const ids = new Set(before.ids);
  if (!ids.delete(id)) ids.add(id);
  return { ids, focus: index, pivot: index };
}

/** The places from the beginning of the range to another one, at most `MOST`. */
export function rangeTo(before: Selection, index: number): readonly number[] {
  const step = index < before.pivot ? -1 : 1;
  const count = Math.min(MOST, Math.abs(index - before.pivot) + 1);
  return Array.from({ length: count }, (_, at) => before.pivot + step * at);
}

/** Without jobs that are there no more. */
export function without(before: Selection, gone: readonly string[]): Selection {
  const ids = new Set(before.ids);
  for (const id of gone) ids.delete(id);
  return { ...before, ids };
}

/** Where a key leads from a place in a grid; null where it is no key of that kind. */
export function moveOf(
  key: string,
  from: number,
  { columns, rows, total }: { columns: number; rows: number; total: number },
  far: boolean,
): number | null {
  const start = from - (from % columns);
  const steps: Readonly<Record<string, number>> = {
    ArrowLeft: from - 1,
    ArrowRight: from + 1,
    ArrowUp: from - columns,
    ArrowDown: from + columns,
    PageUp: from - rows * columns,
    PageDown: from + rows * columns,
    Home: far ? 0 : start,
    End: far ? total - 1 : start + columns - 1,
  };
  const to = steps[key];
  if (to === undefined) return null;
  // A step beyond the first or last row stays in its column.
  if (to < 0) return key === "PageUp" ? from % columns : from;
  if (to < total) return to;
  const last = total - 1;
  const isLastRow = start === last - (last % columns);
  return key === "PageDown" || key === "End" || !isLastRow ? last : from;
}
