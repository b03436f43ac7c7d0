import { useCallback, useEffect, useRef, useState } from "react";

/** Places that are in sight. */
export interface Sight {
  readonly first: number;
  readonly last: number;
}

/** Milliseconds between two requests for what comes into sight: a dragged scroll bar passes by
 * thousands of places that nobody looks at. */
const PAUSE = 80;

/** What is in sight, at most every so often. */
export function useSight() {
  const [sight, setSight] = useState<Sight>({ first: 0, last: 0 });
  const wanted = useRef<Sight>(sight);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const see = useCallback((first: number, last: number) => {
    wanted.current = { first, last };
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      setSight(wanted.current);
    }, PAUSE);
  }, []);
  return [sight, see] as const;
}
