import { useEffect, useState } from "react";
import { readHash, writeHash } from "../api/hash";
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
    const keep = async () => {
      const id = isBlank(steps)
        ? null
        : (await upload(await maskFile(steps, size), "mask", leaving.signal)).id;
      if (leaving.signal.aborted) return;
      writeHash({ mask: id });
      setKept(steps);
      setError(null);
    };
    keep().catch((problem: Error) => leaving.signal.aborted || setError(problem));
    return () => leaving.abort();
  }, [size, steps, kept]);

  return { steps, setSteps, isKept: steps !== null && steps === kept, error };
}

const GONE =
  "The mask of this address is not there any more: what is sent is kept for a while. Paint it again.";
