import { type RefObject, useEffect, useLayoutEffect } from "react";

/** Where reading goes on when another page is shown: a new one begins at its top, with the focus on
 * its heading; one that was left before is shown where it was left. */

interface Place {
  readonly top: number;
  /** A selector of what had the focus; empty where it cannot be found again. */
  readonly focus: string;
}

const START: Place = { top: 0, focus: "" };
const KEPT = "ninefold.places";
/** Milliseconds in which a page is to load as much as it showed when it was left, and what had the
 * focus then. */
const PATIENCE = { top: 10_000, focus: 2_000 };

/** Places by their numbers in the tab's history; after a reload, how far they were scrolled. */
const places = new Map<string, Place>();
/** The heading of the page that is shown, where it has come. */
let heading: HTMLElement | null = null;
/** What had the focus when the page changed, until its own place for the focus has come. */
let before: Element | null = null;
let path: string | null = null;
let stop = () => {};

/** The number of the tab's place in its history; some browsers have an address alone. */
function entry(): string {
  const { navigation } = globalThis as { navigation?: { currentEntry?: { key: string } } };
  return navigation?.currentEntry?.key ?? location.pathname + location.search;
}

function note(change: Partial<Place>): void {
  places.set(entry(), { ...(places.get(entry()) ?? START), ...change });
}

/** What finds an element when its page is shown anew. */
function selectorOf(element: Element): string {
  const href = element.getAttribute("href");
  if (href !== null) return `main [href="${CSS.escape(href)}"]`;
  // Those of widgets are given out as they come.
  return element.id === "" || element.id.startsWith("react") ? "" : `#${CSS.escape(element.id)}`;
}

/** Whether the focus is still to come to the page that is shown. */
export function isArriving(): boolean {
  return before !== null;
}

function arrive(at: HTMLElement | null): void {
  if (at === null || before === null) return;
  const { activeElement, body } = document;
  // Who has gone on meanwhile is left alone.
  if (activeElement === before || activeElement === body) at.focus({ preventScroll: true });
  before = null;
}

/** Show a place once the page has grown so far; whoever scrolls or types ends it. */
function restore({ top, focus }: Place): void {
  stop();
  const start = performance.now();
  let frame = 0;
  const ends = ["wheel", "pointerdown", "keydown"] as const;
  const giveUp = () => {
    before = null;
    stop();
  };
  stop = () => {
    cancelAnimationFrame(frame);
    for (const name of ends) removeEventListener(name, giveUp, true);
  };
  // What led here may be on its way up still: on its way down it has been.
  for (const name of ends) addEventListener(name, giveUp, true);
  const step = () => {
    scrollTo(0, top);
    const waited = performance.now() - start;
    const found = focus === "" ? heading : document.querySelector<HTMLElement>(focus);
    arrive(found ?? (waited > PATIENCE.focus ? heading : null));
    const isThere = before === null && Math.abs(scrollY - top) < 2;
    if (isThere || waited > PATIENCE.top) stop();
    else frame = requestAnimationFrame(step);
  };
  step();
}

/** Have pages begin, and go on, where they should. `here` is the path of the one that is shown. */
export function useArrivals(here: string): void {
  useEffect(() => {
    history.scrollRestoration = "manual";
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]") as [string, number][];
    for (const [key, top] of kept) places.set(key, { top, focus: "" });
    restore(places.get(entry()) ?? START);
    const listeners = {
      scroll: () => note({ top: scrollY }),
      focusin: ({ target }: Event) => {
        if ((target as Element).closest("main") !== null) {
          note({ focus: selectorOf(target as Element) });
        }
      },
      // Back to what was shown of the same page, too.
      popstate: () => restore(places.get(entry()) ?? START),
      pagehide: () => {
        const tops = [...places].map(([key, { top }]) => [key, top]);
        sessionStorage.setItem(KEPT, JSON.stringify(tops));
      },
    };
    const all = Object.entries(listeners) as [string, (event: Event) => void][];
    for (const [name, listener] of all) addEventListener(name, listener);
    return () => {
      for (const [name, listener] of all) removeEventListener(name, listener);
    };
  }, []);

  useLayoutEffect(() => {
    const isFirst = path === null;
    path = here;
    // The browser itself has begun to read the first.
    if (isFirst) return;
    before = document.activeElement;
    restore(places.get(entry()) ?? START);
  }, [here]);
}

/** Have the focus come to this heading where its page is shown anew. */
export function useArrival(ref: RefObject<HTMLElement | null>): void {
  useLayoutEffect(() => {
    heading = ref.current;
    const place = places.get(entry()) ?? START;
    if (place.focus === "") arrive(heading);
    return () => {
      heading = null;
    };
  }, [ref]);
}
