import { type QueryClient, queryOptions, useQuery } from "@tanstack/react-query";
import { api, dataOf, setCsrfToken } from "../api/client";
import type { components } from "../api/schema";
import { forgetDraft, keepNoDraft, ownDrafts } from "../draft/draftAddress";
import { ANYONE, isAnother } from "../draft/owner";

export type Session = components["schemas"]["SessionDocument"];

/** Who asks, and what they may do and send. */
export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async ({ signal }) => remember(await dataOf(api.GET("/v1/session", { signal }))),
  staleTime: 60_000,
});

/** Where the browser holds whose draft it keeps. */
const KEPT_FOR = "ninefold.kept-for";
/** Tells the other tabs of this browser, which share its cookie, that a key signed in or out. */
const tabs = new BroadcastChannel("ninefold.session");

/** Call `changed` when a key signs in or out in another tab. Answers how to stop. */
export function onChangeElsewhere(changed: () => void): () => void {
  tabs.addEventListener("message", changed);
  return () => tabs.removeEventListener("message", changed);
}

/** A key has signed in: what was refused meanwhile is asked for again, in every tab. */
export function signedIn(queries: QueryClient, session: Session): void {
  queries.setQueryData(sessionQuery.queryKey, remember(session));
  void askAgain(queries);
  tabs.postMessage("signed in");
}

/** Ask anew who is signed in, and then for all that a page shows. */
export async function lookAgain(queries: QueryClient): Promise<void> {
  await queries.invalidateQueries(sessionQuery);
  await askAgain(queries);
}

function askAgain(queries: QueryClient): Promise<void> {
  return queries.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
}

/** Take over a session's proof that changes come from this page; what this browser kept for another
 * key is forgotten. */
export function remember(session: Session): Session {
  setCsrfToken(session.csrf_token ?? null);
  const who = whoOf(session);
  if (who !== null) {
    ownDrafts(who);
    if (isAnother(localStorage.getItem(KEPT_FOR), who)) forgetAll();
    localStorage.setItem(KEPT_FOR, who);
  }
  return session;
}

/** Whether anything is served to this page at all. */
export function isLetIn(session: Session): boolean {
  return session.keyless || session.signed_in;
}

/** Whom pages are served to: a key, by its id; the same for all where none is needed; `null` for
 * nobody. */
export function whoOf(session: Session): string | null {
  return isLetIn(session) ? (session.key?.id ?? ANYONE) : null;
}

/** Keep nothing of what pages showed, and begin anew. */
export function startAnew(): void {
  keepNoDraft();
  forgetAll();
  // What any part of the page holds goes with it.
  location.assign("/studio/");
}

function forgetAll(): void {
  sessionStorage.clear();
  forgetDraft();
}

/** The session, once it is known; pages are shown only then. */
export function useSession(): Session | undefined {
  return useQuery(sessionQuery).data;
}

/** Whether the session may do what needs a scope. */
export function may(session: Session | undefined, scope: "submit" | "read" | "admin"): boolean {
  return session !== undefined && (session.keyless || session.scopes.includes(scope));
}

/** End the session: the page asks for a key again, and keeps nothing of what it showed. */
export async function signOut(): Promise<void> {
  await api.DELETE("/v1/session");
  tabs.postMessage("signed out");
  startAnew();
}
