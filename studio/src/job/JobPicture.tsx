import { type ReactNode, useState } from "react";
import { Link } from "react-aria-components";
import { hasEnded, type JobDocument } from "../api/types";
import { routes } from "../app/routes";
import { promptOf } from "../jobs/names";
import { ofParent, type Picture, picturesOf } from "../jobs/pictures";
import { CompareTools } from "./CompareTools";
import { Viewer } from "./Viewer";

interface Props {
  readonly job: JobDocument;
  /** The job that it was made from by a rerun. */
  readonly parent: JobDocument | undefined;
  /** What the running stage has so far, as an address. */
  readonly preview: string | null;
  /** Names of pictures, as the address has them: the one that is shown, and one beside it. */
  readonly show: string | null;
  readonly compare: string | null;
  readonly onShow: (name: string) => void;
  readonly onCompare: (name: string | null) => void;
  /** What is drawn over the picture. */
  readonly children: ReactNode;
}

/** The picture of a job, or of any of its stages; compared with another, and painted again in part. */
export function JobPicture({ job, parent, preview, children, ...props }: Props) {
  const [part, setPart] = useState(50);
  // A preview is gone with the server that painted it.
  const [broken, setBroken] = useState<string | null>(null);
  const pictures = picturesOf(job);
  const offered = parent === undefined ? pictures : [...pictures, ...ofParent(parent)];
  const shown = offered.find(({ name }) => name === props.show) ?? pictures.at(-1);
  const compared = offered.find(({ name }) => name === props.compare);
  const running = !hasEnded(job.status);
  const unfinished = running && preview !== broken ? preview : null;
  const altOf = ({ label }: Picture) => `${label}: ${promptOf(job)}`;
  return (
    <section aria-label="Picture" className="stack">
      {unfinished !== null ? (
        <img
          className="preview"
          src={unfinished}
          alt="Unfinished"
          onError={() => setBroken(unfinished)}
        />
      ) : shown === undefined ? (
        <p className="no-picture muted">
          {running ? "There is no picture yet." : "This job made no picture."}
        </p>
      ) : (
        <Viewer
          url={shown.url}
          alt={altOf(shown)}
          compared={compared && { url: compared.url, alt: altOf(compared), part }}
        >
          {children}
        </Viewer>
      )}
      {shown !== undefined && pictures.includes(shown) && !running && (
        <Link className="button plain" href={routes.inpaint(job.id, shown.name)}>
          Paint a part again
        </Link>
      )}
      {shown !== undefined && unfinished === null && (
        <CompareTools
          pictures={offered}
          shown={shown}
          compared={compared}
          part={part}
          onShow={props.onShow}
          onCompare={props.onCompare}
          onPart={setPart}
        />
      )}
    </section>
  );
}
