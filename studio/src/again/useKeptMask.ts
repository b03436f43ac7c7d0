import { useEffect, useState } from "react";
import { readHash, writeHash } from "../api/hash";
import { isPassing } from "../api/problem";
import { retryDelay } from "../api/untilBack";
import { isBlank, type MaskStep, maskFile, maskStep } from "../mask/strokes";
import { upload, uploadUrl } from "../picture/uploads";

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface KeptMask {
  /** `null` until the mask that the address names is there. */
  readonly steps: readonly MaskStep[] | null;
  readonly setSteps: (steps: readonly MaskStep[]) => void;
  /** Whether the address holds the mask as it is now. */
  readonly isKept: boolean;
  /** Why it does not, or why the one that it names cannot be shown. */
  readonly error: Error | null;
}

/** A mask over a picture of this size. Every stroke is sent to the server, and the address holds
 * what it became: a reload or another machine shows the same. */
export function useKeptMask(size: Size | null): KeptMask {
  const [steps, setSteps] = useState<readonly MaskStep[] | null>(null);
  const [kept, setKept] = useState<readonly MaskStep[] | null>(null);
  const [error, setError] = useState<Error | null>(null);

  useEffect(() => {
    if (size === null) return;
    let current = true;
    const begin = (found: readonly MaskStep[]) => {
      if (!current) return;
      setSteps(found);
      setKept(found);
    };
    const id = readHash().get("mask");
    if (id === null) begin([]);
    else {
      maskStep(uploadUrl(id), size).then(
        (step) => begin([step]),
        () => {
          begin([]);
          if (current) setError(new Error(GONE));
        },
      );
    }
    return () => {
      current = false;
    };
  }, [size]);

  useEffect(() => {
    if (size === null || steps === null || steps === kept) return;
    const leaving = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const keep = async () => {
      const id = isBlank(steps)
        ? null
        : (await upload(await maskFile(steps, size), "mask", leaving.signal)).id;
      if (leaving.signal.aborted) return;
      writeHash({ mask: id });
      setKept(steps);
      setError(null);
    };
    const attempt = (tries: number) => {
      keep().catch((problem: Error) => {
        if (leaving.signal.aborted) return;
        const passes = isPassing(problem);
        setError(passes ? new Error(`${problem.message} ${SENT_LATER}`) : problem);
        if (passes) timer = setTimeout(() => attempt(tries + 1), retryDelay(tries));
      });
    };
    attempt(0);
    return () => {
      leaving.abort();
      clearTimeout(timer);
    };
  }, [size, steps, kept]);

  return { steps, setSteps, isKept: steps !== null && steps === kept, error };
}

const SENT_LATER = "The mask is sent once it can be: keep this page open.";
const GONE =
  "The mask of this address is not there any more: what is sent is kept for a while. Paint it again.";
