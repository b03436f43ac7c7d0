/** Run something soon, and not again before `pause` milliseconds are over; calls between are one. */
export function later(pause: number, action: () => void) {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let last = Number.NEGATIVE_INFINITY;
  return {
    run() {
      timer ??= setTimeout(
        () => {
          timer = null;
          last = performance.now();
          action();
        },
        Math.max(0, last + pause - performance.now()),
      );
    },
    cancel() {
      if (timer !== null) clearTimeout(timer);
    },
  };
}
