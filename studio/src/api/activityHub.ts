import { type Message, openStream } from "./activity";

type Send = (message: Message) => void;

/** Events that tell how far a running job is: who comes later is told the newest of each. */
const PROGRESS: ReadonlySet<string> = new Set(["stage_progressed", "preview_available"]);

/** Hands one stream on to all who joined; it is open while there are any. */
export class Hub {
  private readonly members = new Set<Send>();
  private close: (() => void) | null = null;
  private connected: boolean | null = null;
  /** The newest progress of jobs that run, by job and kind. */
  private readonly progress = new Map<string, Map<string, Message>>();

  constructor(private readonly open: (onMessage: Send) => () => void = openStream) {}

  /** Tell one of what happens from now on; once it is in, open the stream again if it ended. */
  join(send: Send): void {
    const isNew = !this.members.has(send);
    this.members.add(send);
    if (this.close === null) {
      this.close = this.open((message) => this.receive(message));
    } else if (isNew && this.connected !== null) {
      send({ kind: "connected", connected: this.connected });
      for (const messages of this.progress.values()) {
        for (const message of messages.values()) send(message);
      }
    }
  }

  leave(send: Send): void {
    this.members.delete(send);
    if (this.members.size === 0) this.stop();
  }

  private stop(): void {
    this.close?.();
    this.close = null;
    this.connected = null;
    this.progress.clear();
  }

  private receive(message: Message): void {
    if (message.kind === "connected") this.connected = message.connected;
    if (message.kind === "event") this.remember(message);
    if (message.kind === "ended") this.stop();
    for (const send of this.members) send(message);
  }

  private remember(message: Extract<Message, { kind: "event" }>): void {
    const { name, data } = message.event;
    if (name === "reset") this.progress.clear();
    const { job } = JSON.parse(data) as { readonly job?: string };
    if (job === undefined) return;
    if (PROGRESS.has(name)) {
      const known = this.progress.get(job) ?? new Map<string, Message>();
      known.set(name, message);
      this.progress.set(job, known);
    } else if (name !== "job_changed") {
      this.progress.delete(job);
    }
  }
}
