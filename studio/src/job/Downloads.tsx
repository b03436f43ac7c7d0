import type { JobDocument } from "../api/types";
import { Icon } from "../ui/Icon";

/** The published files, in every format that was asked for. */
export function Downloads({ job }: { readonly job: JobDocument }) {
  const manifest = job.artifacts.find(({ name }) => name.endsWith("manifest.json"));
  if (job.outputs.length === 0 && manifest === undefined) {
    return <p className="muted">No file was published.</p>;
  }
  return (
    <ul className="stack small">
      {job.outputs.map(({ name, format, width, height, url }) => (
        <li key={name}>
          <a className="row" href={url} download={name.split("/").at(-1)}>
            <Icon name="download" size={16} />
            <span>
              {name.split("/").at(-1)}{" "}
              <span className="muted">
                {format}, {width} × {height}
              </span>
            </span>
          </a>
        </li>
      ))}
      {manifest !== undefined && (
        <li>
          <a className="row" href={manifest.url} download="manifest.json">
            <Icon name="download" size={16} />
            manifest.json
          </a>
        </li>
      )}
    </ul>
  );
}
