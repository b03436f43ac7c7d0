import { useEffect } from "react";
import { isArriving } from "./arrival";

/** What can have the focus. */
const FOCUSABLE =
  ":is(a[href], button, input, select, textarea, summary, [tabindex]):not(:disabled)";
/** Within these, the focus stays. */
const GROUND = "main, [role=dialog], [role=alertdialog]";

/** An element that others are in, and the place of that one which the focus is in. */
interface Step {
  readonly parent: Element;
  /** From its beginning; -1 for the last. */
  readonly place: number;
}

/** The way to an element from where it stands, upwards. */
function wayTo(element: Element): readonly Step[] {
  const steps: Step[] = [];
  for (let child = element; child.parentElement?.closest(GROUND); child = child.parentElement) {
    const parent = child.parentElement;
    const isLast = child === parent.lastElementChild;
    steps.push({ parent, place: isLast ? -1 : [...parent.children].indexOf(child) });
  }
  return steps;
}

/** The first that can have the focus: an element, or one within it. */
function firstOf(element: Element | undefined): HTMLElement | null {
  if (element === undefined) return null;
  const all = [element, ...element.querySelectorAll(FOCUSABLE)];
  const found = all.find((one) => one.matches(FOCUSABLE) && one.checkVisibility());
  return found instanceof HTMLElement ? found : null;
}

/** What stands where the way led to, as far as that is there; else the first thing around it. */
function heirOf(way: readonly Step[]): HTMLElement | null {
  const there = way.findIndex(({ parent }) => parent.isConnected);
  if (there < 0) return null;
  let found: HTMLElement | null = null;
  let at = way[there]?.parent;
  for (const { place } of way.slice(0, there + 1).toReversed()) {
    at = at?.children[place] ?? at?.lastElementChild ?? undefined;
    found = firstOf(at) ?? found;
  }
  for (const { parent } of way.slice(there)) found ??= firstOf(parent);
  return found;
}

/** Whoever works by keyboard keeps their place: where that goes which has the focus, as a row does
 * that is cancelled, or where it cannot be pressed any more, the focus goes to what stands there
 * then. */
export function useKeptFocus(): void {
  useEffect(() => {
    let held: Element | null = null;
    let way: readonly Step[] = [];
    let frame = 0;
    const isLost = () => held !== null && (!held.isConnected || held.matches(":disabled"));
    const look = () => {
      cancelAnimationFrame(frame);
      const { activeElement, body } = document;
      if (activeElement !== body && activeElement?.matches(":disabled") === false) {
        held = activeElement;
        way = wayTo(held);
      } else if (!isLost()) {
        held = null;
      } else {
        // Dialogs and menus that close know where it belongs, and give it back a frame later.
        frame = requestAnimationFrame(() => {
          frame = requestAnimationFrame(give);
        });
      }
    };
    const give = () => {
      const { activeElement, body } = document;
      if (!isLost() || (activeElement !== body && activeElement !== held) || isArriving()) return;
      (heirOf(way) ?? document.querySelector<HTMLElement>("main h1"))?.focus();
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, {
      subtree: true,
      childList: true,
      attributeFilter: ["disabled"],
    });
    // Once it is known whether it was left, or taken out of the page.
    const leave = () => queueMicrotask(look);
    document.addEventListener("focusin", look);
    document.addEventListener("focusout", leave);
    return () => {
      cancelAnimationFrame(frame);
      observer.disconnect();
      document.removeEventListener("focusin", look);
      document.removeEventListener("focusout", leave);
    };
  }, []);
}
