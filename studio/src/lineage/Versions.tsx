import "./Versions.css";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-aria-components";
import { lineageQuery } from "../api/queries";
import type { LineageDocument, Relative } from "../api/types";
import { routes } from "../app/routes";
import { timeText } from "../ui/format";
import { Problems } from "../ui/Problems";
import { type Line, linesOf, nameOf } from "./lines";

/** All versions of a job: what it was made from by reruns, and what was made from that. */
export function Versions({ jobId }: { readonly jobId: string }) {
  const queries = useQueryClient();
  const query = useQuery({
    ...lineageQuery(jobId),
    // Whoever goes from version to version keeps the tree before their eyes.
    placeholderData: () =>
      queries
        .getQueriesData<LineageDocument>({ queryKey: ["lineage"] })
        .map(([, known]) => known)
        .find((known) => known?.jobs.some(({ id }) => id === jobId)),
  });
  const { data } = query;
  if (data === undefined) {
    return query.error === null ? (
      <p role="status">Looking for its versions…</p>
    ) : (
      <Problems error={query.error} title="Its versions cannot be shown" />
    );
  }
  return (
    <div className="stack">
      <ul aria-label="Versions">
        {linesOf(data.jobs).map((line) => (
          <Branch key={line.versions[0]?.id} line={line} shown={jobId} />
        ))}
      </ul>
      {data.jobs.length === 1 && (
        <p className="small muted">
          There is one version yet. What you run again from “Again” comes here.
        </p>
      )}
      {data.truncated && (
        <p className="small muted">There are more: the first {data.jobs.length} are shown.</p>
      )}
      <Problems error={query.error} />
    </div>
  );
}

interface BranchProps {
  readonly line: Line;
  /** Id of the job whose page this is. */
  readonly shown: string;
}

/** A row of versions, and the branches that begin at its last. */
function Branch({ line, shown }: BranchProps) {
  return (
    <li>
      <ol className="line-of-versions">
        {line.versions.map((version) => (
          <li key={version.id}>
            <Version version={version} isShown={version.id === shown} />
          </li>
        ))}
      </ol>
      {line.branches.length > 0 && (
        <ul className="branches" aria-label="Made from it">
          {line.branches.map((branch) => (
            <Branch key={branch.versions[0]?.id} line={branch} shown={shown} />
          ))}
        </ul>
      )}
    </li>
  );
}

interface VersionProps {
  readonly version: Relative;
  readonly isShown: boolean;
}

function Version({ version, isShown }: VersionProps) {
  const { job } = version;
  const name = nameOf(version);
  if (job === null) {
    return (
      <span className="version muted" data-gone>
        <span className="version-picture" />
        <span className="version-text">A version that was deleted</span>
      </span>
    );
  }
  return (
    <Link
      className="version"
      href={`${routes.job(job.id)}?panel=versions`}
      {...(isShown && { "aria-current": "page" as const })}
    >
      {job.thumbnail === null ? (
        <span className="version-picture" />
      ) : (
        <img className="version-picture" src={job.thumbnail} alt="" loading="lazy" />
      )}
      <span className="version-text">
        <span className="clamp">{name}</span>
        <span className="small muted">
          {job.status === "succeeded" ? timeText(job.created_at) : job.status}
          {isShown && <strong> · shown here</strong>}
        </span>
      </span>
    </Link>
  );
}
