import type { ReactNode } from "react";
import { PageHeading } from "./PageHeading";

interface Props {
  readonly title: string;
  readonly children: ReactNode;
  /** Whether it is all that a page has. */
  readonly isPage?: boolean;
}

/** A place that has nothing to show: what it would be, and what to do. */
export function EmptyState(props: Props) {
  return (
    <section className="empty">
      {props.isPage === true ? <PageHeading title={props.title} /> : <h2>{props.title}</h2>}
      <p>{props.children}</p>
    </section>
  );
}
