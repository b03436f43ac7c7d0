import { Link } from "react-aria-components";
import type { GridDocument, JobSummary } from "../api/types";
import { routes } from "../app/routes";
import { labelOf } from "../forms/schema";
import { parameterLabel } from "./axes";

/** Both axes as heads of columns and rows, and a cell for each of their values together. */
export function GridTable({ grid: { x, y, cells } }: { readonly grid: GridDocument }) {
  const jobAt = new Map(cells.map((cell) => [`${cell.x} ${cell.y}`, cell.job]));
  const rows = y === null ? [""] : y.labels;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: keys scroll what is wider than the page
    <section className="grid-scroll" aria-label="Grid" tabIndex={0}>
      <table className="grid-table">
        <caption className="hidden">
          Columns: {parameterLabel(x.parameter)}
          {y !== null && `; rows: ${parameterLabel(y.parameter)}`}
        </caption>
        <thead>
          <tr>
            {y !== null && (
              <th scope="col" className="small muted">
                {parameterLabel(y.parameter)} ↓ / {parameterLabel(x.parameter)} →
              </th>
            )}
            {x.labels.map((label) => (
              <th key={label} scope="col">
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, rowIndex) => (
            <tr key={row}>
              {y !== null && <th scope="row">{row}</th>}
              {x.labels.map((column, index) => (
                <td key={column}>
                  <Cell
                    job={jobAt.get(`${index} ${rowIndex}`) ?? null}
                    name={[column, row].filter(Boolean).join(", ")}
                  />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface CellProps {
  readonly job: JobSummary | null;
  readonly name: string;
}

function Cell({ job, name }: CellProps) {
  if (job === null) return <span className="grid-cell muted">deleted</span>;
  return (
    <Link className="grid-cell" href={routes.job(job.id)} data-status={job.status}>
      {job.thumbnail !== null && <img src={job.thumbnail} alt={name} loading="lazy" />}
      {job.thumbnail === null && <span className="hidden">{name}: </span>}
      {job.status !== "succeeded" && (
        <span className="small">
          {job.status}
          {job.status === "running" && job.stage !== null && `: ${labelOf(job.stage)}`}
          {job.error !== null && `: ${job.error.message}`}
        </span>
      )}
    </Link>
  );
}
