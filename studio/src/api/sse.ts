/** Server-sent events over `fetch`: unlike `EventSource`, it comes back whatever ended it, resumes
 * behind the last event it saw, and tells why it cannot go on. */

export interface SseEvent {
  readonly name: string;
  readonly data: string;
}

export interface SseListener {
  onEvent(event: SseEvent): void;
  /** Whether the stream is open; `false` while it is lost and tried again. */
  onConnected(connected: boolean): void;
  /** It ended for good: nothing more will happen (204), or it is refused (401, 403, 404). */
  onEnd(status: number): void;
}

/** Milliseconds before the first try after a loss, and at most. */
const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;
/** Milliseconds without a byte after which the stream counts as lost: heartbeats come sooner. */
const SILENCE = 45_000;
/** Answers that the same request would get again. */
const FINAL = new Set([204, 400, 401, 403, 404, 422]);

/** Listen until the returned function is called. */
export function listen(url: string, listener: SseListener): () => void {
  const stop = new AbortController();
  void follow(url, listener, stop.signal);
  return () => stop.abort();
}

async function follow(url: string, listener: SseListener, stopped: AbortSignal): Promise<void> {
  let last: string | null = null;
  let wait = FIRST_WAIT;
  while (!stopped.aborted) {
    const status = await once(
      url,
      last,
      stopped,
      () => {
        wait = FIRST_WAIT;
        listener.onConnected(true);
      },
      (event, id) => {
        last = id ?? last;
        listener.onEvent(event);
      },
    );
    if (stopped.aborted) return;
    if (status !== null && FINAL.has(status)) return listener.onEnd(status);
    listener.onConnected(false);
    await pause(wait, stopped);
    wait = Math.min(2 * wait, LONGEST_WAIT);
  }
}

/** One connection, to its end; its status, or null where it never was. */
async function once(
  url: string,
  last: string | null,
  stopped: AbortSignal,
  onOpen: () => void,
  onEvent: (event: SseEvent, id: string | null) => void,
): Promise<number | null> {
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), SILENCE);
  try {
    const response = await fetch(url, {
      headers: { Accept: "text/event-stream", ...(last !== null && { "Last-Event-ID": last }) },
      signal: AbortSignal.any([stopped, silent.signal]),
      cache: "no-store",
    });
    if (response.status !== 200 || response.body === null) return response.status;
    onOpen();
    const parser = new SseParser(onEvent);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return null;
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE);
      parser.feed(value);
    }
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}

/** Events out of pieces of text, as the HTML standard has them. */
export class SseParser {
  private rest = "";
  private data: string[] = [];
  private name = "";
  private id: string | null = null;

  constructor(private readonly onEvent: (event: SseEvent, id: string | null) => void) {}

  feed(text: string): void {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) this.line(line);
  }

  private line(line: string): void {
    if (line === "") {
      if (this.data.length > 0) {
        this.onEvent({ name: this.name || "message", data: this.data.join("\n") }, this.id);
      }
      this.data = [];
      this.name = "";
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.data.push(value);
    else if (field === "event") this.name = value;
    else if (field === "id") this.id = value;
  }
}

function pause(milliseconds: number, stopped: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    stopped.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
