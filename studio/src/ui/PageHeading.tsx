import { type ReactNode, useRef } from "react";
import { useArrival } from "./arrival";
import { useTitle } from "./useTitle";

interface Props {
  /** What the page is called, in the browser's tab and where it is heard. */
  readonly title: string;
  /** Only for those who hear the page. */
  readonly isHidden?: boolean;
}

/** The heading of a page: every one has it, and it has the focus when its page has come. */
export function PageHeading({ title, isHidden = false }: Props): ReactNode {
  const ref = useRef<HTMLHeadingElement>(null);
  useTitle(title);
  useArrival(ref);
  return (
    <h1 ref={ref} tabIndex={-1} className={isHidden ? "hidden" : "clamp"} dir="auto">
      {title}
    </h1>
  );
}
