import { useEffect, useRef, useState } from "react";
import type { Draft } from "../draft/draft";
import {
  isDraftAddress,
  keepDraft,
  leaveDraft,
  readDraft,
  writeDraft,
} from "../draft/draftAddress";

/** Milliseconds without a key stroke, after which the address holds what was typed. */
const SETTLED = 200;

/** The draft of this page, which its address holds. */
export function useDraft() {
  const [draft, setDraft] = useState<Draft>(() => readDraft(location.hash));
  const newest = useRef(draft);
  useEffect(() => {
    newest.current = draft;
    const timer = setTimeout(() => writeDraft(draft), SETTLED);
    return () => clearTimeout(timer);
  }, [draft]);
  // A draft whose address is opened here takes this one's place.
  useEffect(() => {
    const open = ({ newURL }: HashChangeEvent) => {
      const { hash } = new URL(newURL);
      if (isDraftAddress(hash)) setDraft(readDraft(hash));
    };
    addEventListener("hashchange", open);
    return () => removeEventListener("hashchange", open);
  }, []);
  // Whoever leaves before it has settled finds all of it again.
  useEffect(() => {
    const leave = () => leaveDraft(newest.current);
    addEventListener("pagehide", leave);
    return () => {
      removeEventListener("pagehide", leave);
      keepDraft(newest.current);
    };
  }, []);
  return [draft, setDraft] as const;
}
