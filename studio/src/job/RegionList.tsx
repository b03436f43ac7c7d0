import "./Regions.css";
import { RedoRegion } from "../again/RedoRegion";
import { hasEnded, type JobDocument } from "../api/types";
import { labelOf } from "../forms/schema";
import { fileUrl, type Regions } from "../jobs/pictures";

interface Props {
  readonly job: JobDocument;
  readonly found: Regions;
  /** Whether it says which detailer's they are: where there are several. */
  readonly titled: boolean;
  readonly onPoint: (index: number | null) => void;
}

/** Each region with its score, before and after. */
export function RegionList({ job, found, titled, onPoint }: Props) {
  return (
    <section className="stack" aria-label={titled ? labelOf(found.step) : undefined}>
      {titled && <h2>{labelOf(found.step)}</h2>}
      <ol className="region-list" aria-label="Regions">
        {found.regions.map(({ label, score, box, before, after }, index) => (
          <li
            key={`${label}-${box.join("-")}`}
            onMouseEnter={() => onPoint(index)}
            onMouseLeave={() => onPoint(null)}
          >
            <p>
              <strong>
                {index + 1} · {label}
              </strong>{" "}
              {score !== null && <span className="muted">{Math.round(score * 100)} % sure</span>}
            </p>
            <div className="pair">
              {before !== null && (
                <figure>
                  <img src={fileUrl(job.id, before)} alt={`Region ${index + 1} before`} />
                  <figcaption>before</figcaption>
                </figure>
              )}
              {after !== null && (
                <figure>
                  <img src={fileUrl(job.id, after)} alt={`Region ${index + 1} after`} />
                  <figcaption>after</figcaption>
                </figure>
              )}
            </div>
            {hasEnded(job.status) && <RedoRegion job={job} step={found.step} number={index + 1} />}
          </li>
        ))}
      </ol>
    </section>
  );
}
