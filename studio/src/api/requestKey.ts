import { useRef } from "react";

/** Where this tab holds the last request that something is made by and that has no answer yet. */
const UNANSWERED = "ninefold.unanswered";

interface Sent {
  /** The page that sent it: the same body may be about another job on another one. */
  readonly page: string;
  readonly body: string;
  readonly key: string;
}

/** Keys by which a server knows a request that it got already: the same one as long as the same is
 * sent again, by a second press or since no answer came, so that nothing is painted twice. Where the
 * page was left before the answer, the next one goes on with its key. */
export function useRequestKey(): (body: string) => string {
  const last = useRef<Sent>({ page: "", body: "", key: "" });
  return (body) => {
    if (last.current.body !== body) {
      const before = unanswered();
      const page = location.pathname;
      const isSame = before?.page === page && before.body === body;
      last.current = isSame ? before : { page, body, key: randomKey() };
      try {
        sessionStorage.setItem(UNANSWERED, JSON.stringify(last.current));
      } catch {
        // Too large to be kept: it is known as long as the page is open.
        sessionStorage.removeItem(UNANSWERED);
      }
    }
    return last.current.key;
  };
}

/** The request of this key has its answer: the same that is sent later is another one. */
export function answered(key: string): void {
  if (unanswered()?.key === key) sessionStorage.removeItem(UNANSWERED);
}

function unanswered(): Sent | null {
  try {
    return JSON.parse(sessionStorage.getItem(UNANSWERED) ?? "null") as Sent | null;
  } catch {
    return null;
  }
}

/** A key that no other request has. */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
