import { expect, test, vi } from "vitest";
import { EMPTY } from "./draft";
import { keepDraft, keepNoDraft, leaveDraft, readDraft } from "./draftAddress";

const named = (prompt: string) => ({ ...EMPTY, prompt });

test("a tab comes back to its own draft, and a new one begins with the last of the browser", () => {
  keepDraft(named("of this tab"));
  const own = sessionStorage.getItem("ninefold.draft") ?? "";
  keepDraft(named("of another"));
  sessionStorage.setItem("ninefold.draft", own);
  expect(readDraft("").prompt).toBe("of this tab");
  sessionStorage.clear();
  expect(readDraft("").prompt).toBe("of another");
});

test("a tab that shows its draft again is not where something was typed last", () => {
  keepDraft(named("typed here"));
  const own = sessionStorage.getItem("ninefold.draft") ?? "";
  keepDraft(named("typed in another"));
  sessionStorage.setItem("ninefold.draft", own);
  // Its cards came with what the server told.
  keepDraft({ ...named("typed here"), stages: [{ id: 0, stage: "prompt", params: {} }] });
  sessionStorage.clear();
  expect(readDraft("").prompt).toBe("typed in another");
});

test("a page that goes since it is another person's turn leaves no draft behind", () => {
  keepDraft(named("a secret house"));
  keepNoDraft();
  keepDraft(named("a secret house!"));
  leaveDraft(named("a secret house!"));
  expect([localStorage.length, sessionStorage.length]).toEqual([0, 0]);
});

test("what a tab still writes that is another person's is not read", async () => {
  vi.resetModules();
  const theirs = await import("./draftAddress");
  theirs.ownDrafts("one");
  vi.resetModules();
  const ours = await import("./draftAddress");
  ours.ownDrafts("two");
  theirs.keepDraft(named("a secret house"));
  expect(ours.readDraft("")).toEqual(EMPTY);
  expect(theirs.readDraft("").prompt).toBe("a secret house");
  // Once it knows, it keeps nothing more.
  theirs.ownDrafts("two");
  theirs.keepDraft(named("a secret house!"));
  expect([localStorage.length, sessionStorage.length]).toEqual([0, 0]);
});
