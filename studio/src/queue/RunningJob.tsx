import { Link } from "react-aria-components";
import { useLiveJob } from "../api/live";
import type { JobSummary } from "../api/types";
import { routes } from "../app/routes";
import { labelOf } from "../forms/schema";
import { nameOf } from "../jobs/names";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";

interface Props {
  readonly job: JobSummary;
  readonly onCancel: () => void;
  readonly onCancelGroup: (() => void) | null;
}

/** A job that runs: its stage, how far that is, and what it looks like by now. */
export function RunningJob({ job, onCancel, onCancelGroup }: Props) {
  const { progress } = useLiveJob(job.id);
  const stage = Object.keys(progress).at(-1) ?? job.stage;
  const steps = stage === null ? undefined : progress[stage];
  const picture = steps?.preview ?? job.thumbnail;
  const name = nameOf(job);
  return (
    <li className="card running">
      <div className="running-picture">
        {picture === null ? <Icon name="image" size={28} /> : <img src={picture} alt="" />}
      </div>
      <div>
        <Link href={routes.job(job.id)} className="clamp queue-name">
          {name}
        </Link>
        <p className="muted small">
          {stage === null ? "Starting" : labelOf(stage)}
          {steps !== undefined && `, ${steps.done} of ${steps.total}`}
        </p>
        <progress
          aria-label={stage === null ? name : labelOf(stage)}
          {...(steps !== undefined && { max: steps.total, value: steps.done })}
        />
      </div>
      <div className="row">
        <Button aria-label={`Cancel ${name}`} onPress={onCancel}>
          Cancel
        </Button>
        {onCancelGroup !== null && (
          <Button kind="quiet" aria-label={`Cancel its group: ${name}`} onPress={onCancelGroup}>
            Cancel its group
          </Button>
        )}
      </div>
    </li>
  );
}
