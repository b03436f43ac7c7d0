import { useRef } from "react";

/** Keys by which a server knows a request that it got already: the same one as long as the same is
 * sent again, by a second press or since no answer came, so that nothing is painted twice. */
export function useRequestKey(): (body: string) => string {
  const last = useRef({ body: "", key: "" });
  return (body) => {
    if (last.current.body !== body) last.current = { body, key: randomKey() };
    return last.current.key;
  };
}

/** A key that no other request has. */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
