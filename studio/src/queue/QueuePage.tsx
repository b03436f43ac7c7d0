import { PageHeading } from "../ui/PageHeading";
import "./QueuePage.css";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-aria-components";
import { firstQuery } from "../api/jobList";
import type { JobSummary } from "../api/types";
import { routes } from "../app/routes";
import { nameOf } from "../jobs/names";
import { WorkerProblem } from "../jobs/WorkerProblem";
import { may, useSession } from "../session/session";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { AwayNotice, Problems } from "../ui/Problems";
import { RunningJob } from "./RunningJob";
import { useQueue } from "./useQueue";
import { WaitingList } from "./WaitingList";

/** Running jobs that are shown, and those that ended lately. */
const RUNNING = firstQuery({ status: ["running"] }, 50);
const ENDED = firstQuery({ status: ["succeeded", "failed", "cancelled"] }, 12);

/** What runs, what waits, what ended lately. */
export default function QueuePage() {
  const { queue, waiting, move, cancel, cancelGroup, pause } = useQueue();
  const running = useQuery(RUNNING);
  const ended = useQuery(ENDED);
  const session = useSession();
  const found = queue.data;
  const isEmpty = found !== undefined && found.queued === 0 && running.data?.length === 0;
  return (
    <div className="queue">
      <header className="row">
        <PageHeading title="Queue" />
        {found !== undefined && (
          <span className="muted small">
            {running.data?.length ?? found.running} running, {found.queued} waiting
          </span>
        )}
        {found !== undefined && may(session, "admin") && (
          <Button isPending={pause.isPending} onPress={() => pause.mutate(!found.paused)}>
            <Icon name={found.paused ? "play" : "pause"} size={16} />
            {found.paused ? "Resume" : "Pause"}
          </Button>
        )}
      </header>
      {found?.paused === true && (
        <p className="paused">
          <Icon name="pause" size={16} />
          Paused: what runs goes on, and nothing else begins.
        </p>
      )}
      <Problems error={queue.error ?? running.error ?? ended.error} />
      {found !== undefined && !isEmpty && <WorkerProblem />}
      <AwayNotice of={[move, cancel, cancelGroup, pause]} />
      <Problems error={move.error} title="It was not moved" />
      <Problems error={cancel.error ?? cancelGroup.error} title="It was not cancelled" />
      <Problems error={pause.error} />
      {isEmpty && (
        <p className="muted">
          Nothing runs and nothing waits. <Link href={routes.compose()}>Compose a picture</Link>
        </p>
      )}
      {running.data !== undefined && running.data.length > 0 && (
        <section aria-labelledby="running">
          <h2 id="running">Running</h2>
          <ul className="stack">
            {running.data.toReversed().map((job) => (
              <RunningJob
                key={job.id}
                job={job}
                onCancel={() => cancel.mutate(job.id)}
                onCancelGroup={
                  job.group === null ? null : () => cancelGroup.mutate(job.group ?? "")
                }
              />
            ))}
          </ul>
        </section>
      )}
      {found !== undefined && waiting.length > 0 && (
        <section aria-labelledby="waiting">
          <h2 id="waiting">Waiting</h2>
          <WaitingList
            waiting={waiting}
            isWhole={found.queued <= waiting.length}
            onMove={(id, to) => move.mutate({ id, to })}
            onCancel={(id) => cancel.mutate(id)}
            onCancelGroup={(group) => cancelGroup.mutate(group)}
          />
          {found.queued > waiting.length && (
            <p className="muted small">and {found.queued - waiting.length} more</p>
          )}
        </section>
      )}
      {ended.data !== undefined && ended.data.length > 0 && (
        <section aria-labelledby="ended">
          <h2 id="ended">Ended lately</h2>
          <ul className="ended">
            {ended.data.map((job) => (
              <Ended key={job.id} job={job} />
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

function Ended({ job }: { readonly job: JobSummary }) {
  return (
    <li>
      <Link href={routes.job(job.id)}>
        <span className="ended-picture">
          {job.thumbnail === null ? (
            <Icon name="image" size={24} />
          ) : (
            <img src={job.thumbnail} alt="" />
          )}
        </span>
        <span className="small clamp queue-name">{nameOf(job)}</span>
        {job.status !== "succeeded" && <span className="small muted">{job.status}</span>}
      </Link>
    </li>
  );
}
