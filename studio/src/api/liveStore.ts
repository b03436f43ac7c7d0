import type { Happening } from "./activity";

/** Where a running stage is: steps of its own, and where its newest small picture is. */
export interface StageProgress {
  readonly done: number;
  readonly total: number;
  readonly preview: string | null;
}

export interface LiveJob {
  /** By stage. */
  readonly progress: Readonly<Record<string, StageProgress>>;
}

const NOTHING: LiveJob = { progress: {} };
const NO_STEPS: StageProgress = { done: 0, total: 1, preview: null };

interface Data {
  readonly job?: string;
  readonly stage?: string;
  readonly done?: number;
  readonly total?: number;
  readonly preview?: string;
}

/** What events tell and no request does: how far stages are, and whether events come at all. */
export class LiveStore {
  connected = true;
  private jobs: ReadonlyMap<string, LiveJob> = new Map();
  private previews = 0;
  private readonly listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  job(id: string): LiveJob {
    return this.jobs.get(id) ?? NOTHING;
  }

  setConnected(connected: boolean): void {
    if (connected === this.connected) return;
    this.connected = connected;
    this.tell();
  }

  /** Take an event in; the job that it is about. */
  receive({ name, data }: Happening): string | null {
    const { job = null, stage, done, total, preview } = JSON.parse(data) as Data;
    if (job === null) return null;
    if (name === "stage_progressed" && stage !== undefined) {
      this.change(job, stage, { done: done ?? 0, total: total ?? 1 });
    } else if (name === "preview_available" && stage !== undefined && preview !== undefined) {
      // The address stays; what it gives is another picture.
      this.previews += 1;
      this.change(job, stage, { preview: `${preview}?newest=${this.previews}` });
    } else if (name === "job_ended" || name === "job_deleted" || name === "job_queued") {
      this.forget(job);
    }
    return job;
  }

  clear(): void {
    this.jobs = new Map();
    this.connected = true;
    this.tell();
  }

  private change(id: string, stage: string, found: Partial<StageProgress>): void {
    const { progress } = this.job(id);
    const now = { ...(progress[stage] ?? NO_STEPS), ...found };
    this.jobs = new Map(this.jobs).set(id, { progress: { ...progress, [stage]: now } });
    this.tell();
  }

  private forget(id: string): void {
    if (!this.jobs.has(id)) return;
    const jobs = new Map(this.jobs);
    jobs.delete(id);
    this.jobs = jobs;
    this.tell();
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}
