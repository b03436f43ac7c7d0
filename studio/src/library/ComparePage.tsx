import { PageHeading } from "../ui/PageHeading";
import "../ui/zoom.css";
import "./ComparePage.css";
import { useQueries } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Link } from "react-aria-components";
import { useSearchParams } from "wouter";
import { jobQuery } from "../api/queries";
import type { JobDocument } from "../api/types";
import { routes } from "../app/routes";
import { nameOf } from "../jobs/names";
import { picturesOf } from "../jobs/pictures";
import { Button } from "../ui/Button";
import { EmptyState } from "../ui/EmptyState";
import { Icon } from "../ui/Icon";
import { Problems } from "../ui/Problems";
import { FIT, useZoom, type ViewState, zoomed } from "../ui/useZoom";
import { differencesOf } from "./differences";

/** Pictures side by side at most. */
const MOST = 4;

/** Two to four jobs of the address side by side, all zoomed to the same place, and what differs. */
export default function ComparePage() {
  const [search] = useSearchParams();
  const ids = [...new Set(search.getAll("job"))].slice(0, MOST);
  const found = useQueries({ queries: ids.map(jobQuery) });
  const view = useState(FIT);
  const [{ scale }, setView] = view;
  const jobs = found.flatMap(({ data }) => data ?? []);
  if (ids.length < 2) {
    return (
      <EmptyState title="Nothing to compare" isPage>
        Choose two to four jobs in the library, then Compare.
      </EmptyState>
    );
  }
  return (
    <div className="stack">
      <header className="row">
        <PageHeading title="Compare" />
        <div className="row" role="toolbar" aria-label="Zoom">
          <Button
            kind="quiet"
            aria-label="Zoom out"
            onPress={() => setView((before) => zoomed(before, 1 / 1.5))}
          >
            −
          </Button>
          <span className="small">{Math.round(scale * 100)} %</span>
          <Button
            kind="quiet"
            aria-label="Zoom in"
            onPress={() => setView((before) => zoomed(before, 1.5))}
          >
            <Icon name="plus" size={16} />
          </Button>
          <Button kind="quiet" onPress={() => setView(FIT)}>
            Fit
          </Button>
        </div>
      </header>
      <div className="compared" data-count={ids.length}>
        {found.map(({ data, error }, at) =>
          data === undefined ? (
            <div key={ids[at]}>
              <Problems error={error} title={`Job ${ids[at]} cannot be shown`} />
            </div>
          ) : (
            <Compared key={data.id} job={data} number={at + 1} view={view} />
          ),
        )}
      </div>
      {jobs.length > 1 && <Differences jobs={jobs} />}
    </div>
  );
}

interface ComparedProps {
  readonly job: JobDocument;
  readonly number: number;
  readonly view: ViewState;
}

function Compared({ job, number, view: shared }: ComparedProps) {
  const frame = useRef<HTMLDivElement>(null);
  const { view, handlers } = useZoom(frame, shared);
  const picture = picturesOf(job).at(-1);
  const prompt = nameOf(job);
  return (
    <figure>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms */}
      <div
        ref={frame}
        className="zoom-frame"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: keys move and zoom the pictures
        tabIndex={0}
        role="group"
        aria-label={`Picture ${number}: plus and minus zoom all, arrows move them, 0 fits them in`}
        data-zoomed={view.scale > 1 || undefined}
        {...handlers}
      >
        {picture === undefined ? (
          <p className="muted">No picture: {job.status}</p>
        ) : (
          <img
            src={picture.url}
            alt={`${number}: ${prompt}`}
            draggable={false}
            data-close={view.scale > 3}
            style={{ transform: `translate(${view.x}px, ${view.y}px) scale(${view.scale})` }}
          />
        )}
      </div>
      <figcaption>
        <Link href={routes.job(job.id)}>
          {number} · {prompt}
        </Link>
      </figcaption>
    </figure>
  );
}

function Differences({ jobs }: { readonly jobs: readonly JobDocument[] }) {
  const found = differencesOf(jobs);
  if (found.length === 0) return <p>They were asked for in the same way.</p>;
  return (
    <section className="card differences" aria-label="What differs">
      <table>
        <caption className="hidden">What differs</caption>
        <thead>
          <tr>
            <th scope="col">What differs</th>
            {jobs.map(({ id }, at) => (
              <th key={id} scope="col">
                {at + 1}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {found.map(({ name, label, values }) => (
            <tr key={name}>
              <th scope="row">{label}</th>
              {values.map((value, at) => (
                <td key={jobs[at]?.id}>{value ?? <span className="muted">none</span>}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
