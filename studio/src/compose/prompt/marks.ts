import type { PromptDocument } from "../../api/types";

export type SpanKind = PromptDocument["spans"][number]["kind"];

/** A part of a text that is shown in another way: code units from `start` to `end`, excluded. */
export interface Mark {
  readonly start: number;
  readonly end: number;
  readonly kind: SpanKind | "problem" | "warning";
}

/** A stretch of text under the same marks. */
export interface Piece {
  readonly text: string;
  /** The inner ones last. */
  readonly kinds: readonly Mark["kind"][];
}

/** What a reading marks: constructs, and where they are wrong. */
export function marksOf(reading: PromptDocument): readonly Mark[] {
  return [
    ...reading.spans,
    ...reading.warnings.map(({ start, end }) => ({ start, end, kind: "warning" as const })),
    ...reading.problems.map(({ start, end }) => ({ start, end, kind: "problem" as const })),
  ];
}

/** Where ranges of a text lie in what it has become while its reading was on the way: those behind
 * the change move, those around it grow, those that it cuts into are gone. */
export function follow<T extends { readonly start: number; readonly end: number }>(
  ranges: readonly T[],
  before: string,
  after: string,
): readonly T[] {
  if (before === after) return ranges;
  const most = Math.min(before.length, after.length);
  let head = 0;
  while (head < most && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < most - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const changeEnd = before.length - tail;
  const by = after.length - before.length;
  return ranges.flatMap((range) => {
    if (range.end <= head) return [range];
    if (range.start >= changeEnd) {
      return [{ ...range, start: range.start + by, end: range.end + by }];
    }
    return range.start < head && range.end > changeEnd ? [{ ...range, end: range.end + by }] : [];
  });
}

/** The text in pieces, in order and without a gap. */
export function pieces(text: string, marks: readonly Mark[]): readonly Piece[] {
  const starts = [...marks].sort((one, other) => one.start - other.start || other.end - one.end);
  const edges = [...new Set([0, text.length, ...marks.flatMap(({ start, end }) => [start, end])])]
    .filter((edge) => edge >= 0 && edge <= text.length)
    .sort((one, other) => one - other);
  let open: Mark[] = [];
  let next = 0;
  const found: Piece[] = [];
  for (const [index, edge] of edges.entries()) {
    const end = edges[index + 1];
    if (end === undefined) break;
    open = open.filter((mark) => mark.end > edge);
    for (let mark = starts[next]; mark !== undefined && mark.start <= edge; mark = starts[next]) {
      if (mark.end > edge) open.push(mark);
      next++;
    }
    found.push({ text: text.slice(edge, end), kinds: open.map(({ kind }) => kind) });
  }
  return found;
}

/** The place of a code unit as people count: characters, from 1. */
export function characterAt(text: string, unit: number): number {
  return [...text.slice(0, unit)].length + 1;
}
