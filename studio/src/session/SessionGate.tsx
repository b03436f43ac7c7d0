import "../ui/Dialog.css";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useLayoutEffect, useState } from "react";
import { Dialog, Modal, ModalOverlay } from "react-aria-components";
import { ApiProblem } from "../api/problem";
import { isAnother } from "../draft/owner";
import { Problems } from "../ui/Problems";
import { SignIn } from "./SignIn";
import { lookAgain, onChangeElsewhere, sessionQuery, startAnew, whoOf } from "./session";

/** Shows pages to those who are let in; asks others for a key.
 *
 * Where a session ends while a page is open, the page stays behind the question; for whoever signs
 * in again with the same key, in this tab or another, and no other.
 */
export function SessionGate({ children }: { readonly children: ReactNode }) {
  const queries = useQueryClient();
  const session = useQuery(sessionQuery);
  const [shownTo, setShownTo] = useState<string | null>(null);
  const who = session.data === undefined ? null : whoOf(session.data);
  const isStranger = isAnother(shownTo, who);

  // Before the pages that go keep what was typed: another tab may begin with it.
  useLayoutEffect(() => {
    if (isStranger) startAnew();
    else if (who !== null) setShownTo(who);
  }, [who, isStranger]);

  useEffect(() => onChangeElsewhere(() => void lookAgain(queries)), [queries]);

  // Whatever is refused for want of a session tells that it has ended.
  useEffect(() => {
    const refused = (error: unknown) => {
      if (error instanceof ApiProblem && error.signedOut) {
        void queries.invalidateQueries(sessionQuery);
      }
    };
    const stops = [
      queries.getQueryCache().subscribe(({ query }) => refused(query.state.error)),
      queries.getMutationCache().subscribe(({ mutation }) => refused(mutation?.state.error)),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }, [queries]);

  if (session.data === undefined) {
    return (
      <main>
        {session.error === null ? (
          <p role="status">Loading…</p>
        ) : (
          <Problems error={session.error} />
        )}
      </main>
    );
  }
  // Pages go first, with what they show.
  if (isStranger) return <p role="status">Loading…</p>;
  if (who === null && shownTo === null) {
    return (
      <main>
        <SignIn ended={false} />
      </main>
    );
  }
  return (
    <>
      {children}
      <ModalOverlay isOpen={who === null} className="modal-overlay">
        <Modal>
          <Dialog aria-label="Sign in again">
            <SignIn ended />
          </Dialog>
        </Modal>
      </ModalOverlay>
    </>
  );
}
