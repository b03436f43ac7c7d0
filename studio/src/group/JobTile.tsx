import "./JobTile.css";
import { Link } from "react-aria-components";
import type { JobSummary } from "../api/types";
import { routes } from "../app/routes";
import { promptOf } from "../jobs/names";

interface Props {
  readonly job: JobSummary;
  /** What sets it apart from those beside it; its seed by default. */
  readonly caption?: string;
}

/** A job among others: its picture, or how it stands. */
export function JobTile({ job, caption }: Props) {
  const prompt = promptOf(job);
  const seed = job.seed ?? job.input["seed"];
  const label = caption ?? (seed === null || seed === undefined ? "" : `seed ${seed}`);
  return (
    <Link className="job-tile" href={routes.job(job.id)}>
      {job.thumbnail === null ? (
        <span className="blank muted">{job.status === "running" ? job.stage : job.status}</span>
      ) : (
        <img src={job.thumbnail} alt={prompt} loading="lazy" />
      )}
      <span className="caption small">
        <span>{label}</span>
        {job.status === "failed" && <span className="bad">failed</span>}
        {job.decision !== null && job.decision !== "pass" && (
          <span className="warn">
            {job.decision} {job.score === null ? "" : Math.round(job.score * 100) / 100}
          </span>
        )}
      </span>
    </Link>
  );
}
