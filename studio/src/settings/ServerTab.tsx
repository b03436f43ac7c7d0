import { useQuery } from "@tanstack/react-query";
import { Meter } from "react-aria-components";
import { bytesText, spanText, timeText } from "../ui/format";
import { Pairs } from "../ui/Pairs";
import { Problems } from "../ui/Problems";
import { ChecksCard } from "./ChecksCard";
import { readyQuery, type SystemDocument, systemQuery } from "./queries";
import { WorkersCard } from "./WorkersCard";

/** How the server is, as it changes. */
export function ServerTab() {
  const query = useQuery(systemQuery);
  const ready = useQuery(readyQuery);
  const system = query.data;
  return (
    <div className="stack">
      <Problems error={query.error} />
      {system !== undefined && (
        <div className="server-cards">
          <Health system={system} unready={ready.error} />
          <WorkersCard system={system} />
          <Disk disk={system.disk} />
          <Memory system={system} />
        </div>
      )}
      <ChecksCard />
    </div>
  );
}

interface HealthProps {
  readonly system: SystemDocument;
  readonly unready: unknown;
}

function Health({ system, unready }: HealthProps) {
  return (
    <section className="card stack" aria-label="Health">
      <h2>Health</h2>
      <Problems error={unready} title="The server is not ready" />
      <Pairs
        pairs={[
          ["State", unready === null ? "ready: it answers, and its database does" : "not ready"],
          ["Version", system.version],
          ["Up for", spanText(system.uptime_seconds)],
          ["Device", system.device === "auto" ? "auto: the best there is" : system.device],
        ]}
      />
    </section>
  );
}

const FOLDERS: Readonly<Record<string, string>> = {
  jobs: "Jobs and their pictures",
  cache: "Cache of stages",
  uploads: "Uploads",
};

function Disk({ disk }: { readonly disk: SystemDocument["disk"] }) {
  return (
    <section className="card stack" aria-label="Disk">
      <h2>Disk</h2>
      <Share label="Used" free={disk.free} total={disk.total} />
      {disk.folders == null ? (
        <p className="muted small">The folders are being measured.</p>
      ) : (
        <Pairs
          pairs={Object.entries(disk.folders).map(([name, bytes]) => [
            FOLDERS[name] ?? name,
            bytesText(bytes),
          ])}
        />
      )}
      {disk.measured_at != null && (
        <p className="muted small">Folders measured {timeText(disk.measured_at)}.</p>
      )}
    </section>
  );
}

function Memory({ system: { memory, models } }: { readonly system: SystemDocument }) {
  return (
    <section className="card stack" aria-label="Memory">
      <h2>Memory</h2>
      {memory.total > 0 && <Share label="Used" free={memory.free} total={memory.total} />}
      {models.length === 0 ? (
        <p className="muted small">No model is loaded.</p>
      ) : (
        <Pairs
          pairs={models.map(({ kind, name, bytes }) => [`${name} (${kind})`, bytesText(bytes)])}
        />
      )}
    </section>
  );
}

interface ShareProps {
  readonly label: string;
  readonly free: number;
  readonly total: number;
}

function Share({ label, free, total }: ShareProps) {
  const used = total - free;
  const text = `${bytesText(used)} of ${bytesText(total)}, ${bytesText(free)} free`;
  return (
    <Meter className="share" aria-label={label} value={used} maxValue={total} valueLabel={text}>
      {({ percentage, valueText }) => (
        <>
          <div className="bar">
            <div className="bar-used" style={{ width: `${percentage}%` }} />
          </div>
          <span className="small">{valueText}</span>
        </>
      )}
    </Meter>
  );
}
