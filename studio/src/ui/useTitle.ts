import { useEffect } from "react";

/** Characters of a title that a tab or a list of pages shows. */
const SHOWN = 60;

/** Call the page's tab so while the component is there; nothing leaves it as it is. */
export function useTitle(title: string | undefined): void {
  useEffect(() => {
    if (title === undefined) return;
    const letters = Array.from(title);
    const short = letters.length > SHOWN ? `${letters.slice(0, SHOWN).join("")}…` : title;
    document.title = `${short} · ninefold`;
  }, [title]);
}
