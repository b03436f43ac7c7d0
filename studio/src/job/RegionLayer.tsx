import "./Regions.css";
import type { Regions } from "../jobs/pictures";

interface Props {
  readonly found: Regions;
  readonly chosen: number | null;
}

/** The regions, drawn over a picture of any size. */
export function RegionLayer({ found, chosen }: Props) {
  const [width, height] = found.size;
  return (
    <div className="regions" aria-hidden="true">
      {found.regions.map(({ label, box: [left, top, right, bottom] }, index) => (
        <span
          key={`${label}-${left}-${top}`}
          className="region"
          data-chosen={chosen === index || undefined}
          style={{
            left: `${(100 * left) / width}%`,
            top: `${(100 * top) / height}%`,
            width: `${(100 * (right - left)) / width}%`,
            height: `${(100 * (bottom - top)) / height}%`,
          }}
        >
          {index + 1}
        </span>
      ))}
    </div>
  );
}
