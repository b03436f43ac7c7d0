import "./PaintBar.css";
import type { ReactNode } from "react";
import { Link } from "react-aria-components";
import { useConnected } from "../api/live";
import { ApiProblem } from "../api/problem";
import { routes } from "../app/routes";
import { Button } from "../ui/Button";
import { Problems } from "../ui/Problems";

interface Props {
  readonly images: number;
  readonly isPending: boolean;
  readonly error: unknown;
  readonly onPaint: () => void;
  /** Before the page of a grid is opened, which begins from what is kept. */
  readonly onGrid: () => void;
  /** What it will cost. */
  readonly children: ReactNode;
}

/** The button that a page is for, always in reach; what stood in its way is said at it. */
export function PaintBar({ images, isPending, error, onPaint, onGrid, children }: Props) {
  const isConnected = useConnected();
  return (
    <section className="paint-bar" aria-label="Paint">
      <Problems error={error} title={titleOf(error, isConnected)} />
      <div className="paint-row">
        <div className="cost">{children}</div>
        <Link className="button plain" href={routes.newGrid()} onPress={onGrid}>
          Grid
        </Link>
        <Button kind="primary" isPending={isPending} onPress={onPaint}>
          {images > 1 ? `Paint ${images.toLocaleString()}` : "Paint"}
        </Button>
      </div>
    </section>
  );
}

function titleOf(error: unknown, isConnected: boolean): string {
  if (!(error instanceof ApiProblem)) return "It was not sent";
  if (error.away && !isConnected) return "The server is away: paint once it is back";
  if (error.away) return "No answer came: paint again; what was sent already is not painted twice";
  if (error.status === 429 || error.status === 503) {
    const after = error.retryAfter === null ? "" : `, in ${error.retryAfter} seconds say`;
    return `Not now: all is kept here. Try again later${after}`;
  }
  return "It cannot be painted as it stands; all is kept here";
}
