import { countText, spanText, timeText } from "../ui/format";
import { Pairs } from "../ui/Pairs";
import type { SystemDocument } from "./queries";

type Worker = SystemDocument["workers"][number];

/** The queue, and who takes jobs from it. */
export function WorkersCard({ system }: { readonly system: SystemDocument }) {
  const { workers, queue } = system;
  return (
    <section className="card stack" aria-label="Workers and queue">
      <h2>Workers and queue</h2>
      <Pairs
        pairs={[
          ["Queue", queue.paused ? "paused: nothing new begins" : "open"],
          [
            "Waiting",
            queue.queued === 0
              ? "nothing"
              : `${countText(queue.queued)}, the oldest for ${spanText(queue.oldest_seconds)}`,
          ],
          ["Running", countText(queue.running)],
        ]}
      />
      {!workers.some(({ alive }) => alive) && (
        <p className="bad small">
          No worker runs: jobs wait. Start one with <code>ninefold worker</code>.
        </p>
      )}
      <ul className="workers small" aria-label="Workers">
        {workers.map((worker) => (
          <li key={worker.name}>
            <p className="row spread">
              <strong>{worker.name}</strong>
              <span className={worker.alive ? "" : "bad"}>{stateOf(worker)}</span>
            </p>
            <p className="muted">{processOf(worker, system.worker ?? null).join(" · ")}</p>
            {worker.version != null && worker.version !== system.version && (
              <p className="warn">
                Runs version {worker.version}, the server {system.version}: start it again with the
                server's.
              </p>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function stateOf({ alive, running }: Worker): string {
  if (!alive) return `gone; its ${running} jobs are taken over`;
  return running === 0 ? "idle" : `runs ${running}`;
}

const KINDS: Readonly<Record<string, string>> = {
  server: "in another server",
  worker: "ninefold worker",
  library: "in a program that uses the library",
};

/** Which process a worker is; `own` is the name of the one in the server that answers. */
function processOf({ name, kind, host, pid, started_at }: Worker, own: string | null): string[] {
  const found = [];
  if (name === own) found.push("in this server");
  else if (kind != null) found.push(KINDS[kind] ?? kind);
  if (pid != null) found.push(host == null ? `process ${pid}` : `process ${pid} on ${host}`);
  if (started_at != null) found.push(`since ${timeText(started_at)}`);
  return found.length === 0 ? ["of an earlier version, which does not tell where it runs"] : found;
}
