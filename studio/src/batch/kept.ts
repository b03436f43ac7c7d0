import { useEffect, useState } from "react";
import type { Target } from "./columns";
import type { Reading } from "./table";

/** What is given and chosen, as a reload finds it again. */
export interface Batch {
  readonly text: string;
  readonly reading: Reading;
  /** What columns set, by their names, where it was chosen. */
  readonly chosen: Readonly<Record<string, Target>>;
  /** What the rows run through: a preset, or `COMPOSED`. */
  readonly preset: string;
  readonly count: number;
  /** What is being sent, or was: a request that is sent again is known by its key. */
  readonly run: Run | null;
}

export interface Run {
  readonly fingerprint: string;
  readonly key: string;
  /** Ids of the groups that are there, in the order of the rows. */
  readonly groups: readonly string[];
}

const NAME = "ninefold.batch";
const EMPTY: Batch = {
  text: "",
  reading: "auto",
  chosen: {},
  preset: "standard",
  count: 1,
  run: null,
};

/** The batch of this tab; and whether it is too large for the browser to keep. */
export function useBatch() {
  const [batch, setBatch] = useState(readBatch);
  const [isKept, setKept] = useState(true);
  useEffect(() => setKept(writeBatch(batch)), [batch]);
  return { batch, setBatch, isKept };
}

function readBatch(): Batch {
  try {
    const found = JSON.parse(sessionStorage.getItem(NAME) ?? "null") as Batch | null;
    return { ...EMPTY, ...found };
  } catch {
    return EMPTY;
  }
}

function writeBatch(batch: Batch): boolean {
  try {
    sessionStorage.setItem(NAME, JSON.stringify(batch));
    return true;
  } catch {
    sessionStorage.removeItem(NAME);
    return false;
  }
}
