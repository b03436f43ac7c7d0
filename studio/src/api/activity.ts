import { listen } from "./sse";

/** What happens to all jobs, from one stream for all pages of a browser: HTTP/1.1 has six
 * connections a host, and ten tabs would hold more. */

/** An event of `GET /v1/events`, its data as JSON text. */
export interface Happening {
  readonly name: string;
  readonly data: string;
}

/** From the worker to a page. */
export type Message =
  | { readonly kind: "event"; readonly event: Happening }
  | { readonly kind: "connected"; readonly connected: boolean }
  /** It ended for good with this status; `start` tries again. */
  | { readonly kind: "ended"; readonly status: number };

/** From a page to the worker. */
export type Command = "start" | "leave";

/** Follow until the returned function is called. `who` tells apart whose events they are: pages of
 * one session share a stream, and those of another one never see it. */
export function followActivity(who: string, onMessage: (message: Message) => void): () => void {
  if (typeof SharedWorker === "undefined") return openStream(onMessage);
  const worker = new SharedWorker(new URL("./activityWorker.ts", import.meta.url), {
    type: "module",
    name: `ninefold ${who}`,
  });
  const { port } = worker;
  port.onmessage = ({ data }: MessageEvent<Message>) => onMessage(data);
  const send = (command: Command) => port.postMessage(command);
  const leave = () => send("leave");
  const start = () => send("start");
  // A page that is kept for going back to runs no more, and asks anew when it is shown again.
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", start);
  start();
  return () => {
    window.removeEventListener("pagehide", leave);
    window.removeEventListener("pageshow", start);
    leave();
    port.close();
  };
}

/** The stream itself, in whatever runs this. */
export function openStream(onMessage: (message: Message) => void): () => void {
  return listen("/v1/events", {
    onEvent: (event) => onMessage({ kind: "event", event }),
    onConnected: (connected) => onMessage({ kind: "connected", connected }),
    onEnd: (status) => onMessage({ kind: "ended", status }),
  });
}
