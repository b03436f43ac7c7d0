import { memo } from "react";
import type { JobSummary } from "../api/types";
import { routes } from "../app/routes";
import { nameOf } from "../jobs/names";
import { useGone } from "../ui/brokenPictures";
import { Icon } from "../ui/Icon";

interface Props {
  readonly job: JobSummary | undefined;
  readonly index: number;
  readonly column: number;
  readonly side: number;
  readonly isChosen: boolean;
  readonly isFocused: boolean;
}

/** Pixels of thumbnails: fewer kinds, so that most are there already. */
const SIZES = [256, 512] as const;

export function tileId(index: number): string {
  return `tile-${index}`;
}

/** One job of the gallery. What is done to it is done by the grid: see `data-act`. */
export const Tile = memo(function Tile({ job, index, column, side, isChosen, isFocused }: Props) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a table's cells cannot be virtual
    <div
      id={tileId(index)}
      role="gridcell"
      className="tile"
      aria-colindex={column + 1}
      aria-selected={isChosen}
      aria-busy={job === undefined || undefined}
      aria-label={job && heardOf(job)}
      tabIndex={isFocused ? 0 : -1}
      data-index={index}
      style={{ width: side, height: side }}
    >
      {job !== undefined && (
        <>
          <Thumbnail key={job.id} job={job} side={side} />
          <span className="tile-check" data-act="toggle" aria-hidden="true">
            <Icon name="check" size={14} />
          </span>
          <span className="tile-signs">
            {job.status !== "succeeded" && (
              <span className="sign" data-status={job.status}>
                {job.status}
              </span>
            )}
            {job.decision !== null && job.decision !== "pass" && (
              <span className="sign" data-decision={job.decision}>
                <Icon name="warning" size={12} />
                {job.decision}
              </span>
            )}
          </span>
          <span className="tile-foot">
            <a
              className="tile-prompt"
              href={`/studio${routes.job(job.id)}`}
              tabIndex={-1}
              data-act="open"
            >
              {nameOf(job)}
            </a>
            {job.group !== null && (
              <button
                type="button"
                className="tile-button"
                tabIndex={-1}
                data-act="group"
                title="Open its group"
                aria-label={`Open the group of ${nameOf(job)}`}
              >
                <Icon name="batch" size={16} />
              </button>
            )}
            <button
              type="button"
              className="tile-button"
              tabIndex={-1}
              data-act="favourite"
              aria-pressed={job.favourite}
              title="Favourite"
              aria-label={`Favourite ${nameOf(job)}`}
            >
              <Icon name="heart" size={16} />
            </button>
          </span>
        </>
      )}
    </div>
  );
});

/** What its signs tell those who see them. */
function heardOf(job: JobSummary): string {
  return [
    nameOf(job),
    ...(job.status === "succeeded" ? [] : [job.status]),
    ...(job.decision === null || job.decision === "pass" ? [] : [`decision ${job.decision}`]),
    ...(job.favourite ? ["favourite"] : []),
  ].join(", ");
}

function Thumbnail({ job, side }: { readonly job: JobSummary; readonly side: number }) {
  const [isGone, setGone] = useGone();
  if (job.thumbnail === null || isGone) {
    return (
      <span className="tile-none">
        <Icon name="image" size={28} />
      </span>
    );
  }
  const pixels = side * (globalThis.devicePixelRatio || 1);
  const size = SIZES.find((found) => found >= pixels) ?? SIZES[1];
  // Another state may have another picture: the address tells them apart.
  const state = hasPicture(job) ? "" : `&stage=${job.stage ?? ""}`;
  return (
    <img
      src={`${job.thumbnail}?size=${size}${state}`}
      alt=""
      decoding="async"
      draggable={false}
      onError={setGone}
    />
  );
}

function hasPicture(job: JobSummary): boolean {
  return job.status === "succeeded";
}
