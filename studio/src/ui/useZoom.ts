import {
  type Dispatch,
  type KeyboardEvent,
  type PointerEvent,
  type RefObject,
  type SetStateAction,
  useEffect,
  useRef,
  useState,
} from "react";

/** Where a picture is in its frame: `scale` 1 fits it in; `x` and `y` are pixels of the frame. */
export interface View {
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

/** A place in the frame, in pixels from its middle. */
interface Place {
  readonly x: number;
  readonly y: number;
}

export const FIT: View = { scale: 1, x: 0, y: 0 };
const MOST = 32;
const STEP = 1.25;
/** Pixels that an arrow key moves it. */
const NUDGE = 60;
/** How much larger a double tap shows it. */
const CLOSER = 3;
/** Milliseconds and pixels that two taps may be apart, and pixels that a finger moves in a tap. */
const TAPS_APART = 300;
const TAP_RADIUS = 24;

/** The view with another scale, so that what lies at a point of the frame (from its middle) stays. */
export function zoomed(view: View, factor: number, x = 0, y = 0): View {
  return drawn(view, factor, { x, y }, { x, y });
}

/** The view with another scale, so that what lay at one place lies at another. */
function drawn(view: View, factor: number, from: Place, to: Place): View {
  const scale = Math.min(MOST, Math.max(1, view.scale * factor));
  if (scale === 1) return FIT;
  const real = scale / view.scale;
  return { scale, x: to.x - (from.x - view.x) * real, y: to.y - (from.y - view.y) * real };
}

/** The view after two fingers moved: what lay between them lies between them still. */
export function pinched(view: View, before: Pair, after: Pair): View {
  const factor = distance(...after) / Math.max(1, distance(...before));
  return drawn(view, factor, middle(before), middle(after));
}

type Pair = readonly [Place, Place];

function distance(one: Place, other: Place): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}

function middle([one, other]: Pair): Place {
  return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
}

/** A place of a pointer in its frame. */
function placeIn(frame: Element, event: { readonly clientX: number; readonly clientY: number }) {
  const { left, top, width, height } = frame.getBoundingClientRect();
  return { x: event.clientX - left - width / 2, y: event.clientY - top - height / 2 };
}

/** The view moved by pixels; a picture that fits in stays where it is. */
function moved(view: View, x: number, y: number): View {
  return view.scale === 1 ? view : { ...view, x: view.x + x, y: view.y + y };
}

const KEYS = new Map<string, (view: View) => View>([
  ["+", (view) => zoomed(view, STEP)],
  ["=", (view) => zoomed(view, STEP)],
  ["-", (view) => zoomed(view, 1 / STEP)],
  ["0", () => FIT],
  ["ArrowLeft", (view) => moved(view, NUDGE, 0)],
  ["ArrowRight", (view) => moved(view, -NUDGE, 0)],
  ["ArrowUp", (view) => moved(view, 0, NUDGE)],
  ["ArrowDown", (view) => moved(view, 0, -NUDGE)],
]);

/** Where a picture is, and what moves it; given to several frames, they show the same place. */
export type ViewState = readonly [View, Dispatch<SetStateAction<View>>];

/** Zoom by wheel, two fingers, a double tap, keys and buttons; move by dragging and arrow keys. */
export function useZoom(frame: RefObject<HTMLElement | null>, shared?: ViewState) {
  const own = useState<View>(FIT);
  const [view, setView] = shared ?? own;
  // Where fingers, or the pointer, hold the picture, by their ids.
  const held = useRef(new Map<number, Place>());
  // Where and when a tap began, and the last one that ended.
  const tap = useRef<Tap | null>(null);
  const lastTap = useRef<Tap | null>(null);

  // React's own wheel listeners are passive, and the page would scroll, too.
  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const { x, y } = placeIn(element, event);
      setView((before) => zoomed(before, event.deltaY < 0 ? STEP : 1 / STEP, x, y));
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [frame, setView]);

  return {
    view,
    fit: () => setView(FIT),
    zoomBy: (factor: number) => setView((before) => zoomed(before, factor)),
    handlers: {
      onKeyDown(event: KeyboardEvent) {
        const change = KEYS.get(event.key);
        if (change === undefined || event.target !== event.currentTarget) return;
        event.preventDefault();
        setView(change);
      },
      onPointerDown(event: PointerEvent<HTMLElement>) {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        const place = placeIn(event.currentTarget, event);
        tap.current = held.current.size === 0 ? { place, at: event.timeStamp } : null;
        held.current.set(event.pointerId, place);
      },
      onPointerMove(event: PointerEvent<HTMLElement>) {
        const before = held.current.get(event.pointerId);
        if (before === undefined) return;
        const after = placeIn(event.currentTarget, event);
        held.current.set(event.pointerId, after);
        if (held.current.size === 1) {
          setView((view) => moved(view, after.x - before.x, after.y - before.y));
          return;
        }
        const other = [...held.current].find(([id]) => id !== event.pointerId)?.[1] ?? after;
        setView((view) => pinched(view, [before, other], [after, other]));
      },
      onPointerUp(event: PointerEvent<HTMLElement>) {
        held.current.delete(event.pointerId);
        const place = placeIn(event.currentTarget, event);
        const began = tap.current;
        tap.current = null;
        if (began === null || distance(began.place, place) > TAP_RADIUS) {
          lastTap.current = null;
          return;
        }
        const last = lastTap.current;
        const isSecond =
          last !== null &&
          event.timeStamp - last.at < TAPS_APART &&
          distance(last.place, place) <= TAP_RADIUS;
        lastTap.current = isSecond ? null : { place, at: event.timeStamp };
        if (!isSecond) return;
        setView((view) => (view.scale > 1 ? FIT : zoomed(view, CLOSER, place.x, place.y)));
      },
      onPointerCancel(event: PointerEvent) {
        held.current.delete(event.pointerId);
        tap.current = null;
      },
    },
  };
}

interface Tap {
  readonly place: Place;
  readonly at: number;
}
