import { parseJson, toJson } from "../api/json";
import { asksTheSame, type Draft, type DraftStage, EMPTY } from "./draft";
import { ANYONE, isAnother } from "./owner";

/** Draft and address: what is typed is in the page's own URL, behind `#`, so that a reload or
 * another machine shows the same. That part of a URL is never sent to a server. */

const PREFIX = "#draft=";
const KEPT = "ninefold.draft";
/** What was typed when this tab's page was left, behind the address that did not hold it yet. */
const LEFT = "ninefold.draft-left";
/** Whether this page may leave drafts behind. */
let isKept = true;
/** Whose page it is; `null` until that is known. */
let owner: string | null = null;

/** Say whose drafts this page keeps and finds. Each says so itself: of two tabs of a browser one may
 * be another person's by now, and the other not know it yet. */
export function ownDrafts(who: string): void {
  if (isAnother(owner, who)) keepNoDraft();
  owner = who;
}

/** The draft of an address, with what was typed at it last; the last one of this tab where it has
 * none, and of this browser where the tab has none. */
export function readDraft(hash: string): Draft {
  const text = isDraftAddress(hash)
    ? (leftAt(hash) ?? hash.slice(PREFIX.length))
    : (keptIn(sessionStorage) ?? keptIn(localStorage));
  return draftOf(text) ?? EMPTY;
}

function draftOf(text: string | null): Draft | null {
  if (text === null) return null;
  try {
    const found = parseJson(new TextDecoder().decode(fromBase64(text)));
    if (!isDraft(found)) return null;
    return { ...EMPTY, ...usable(found), stages: found.stages.map(withId) };
  } catch {
    return null;
  }
}

/** Whether what is behind `#` in an address holds a draft, readable or not. */
export function isDraftAddress(hash: string): boolean {
  return hash.startsWith(PREFIX);
}

/** Have address and browser hold the draft. */
export function writeDraft(draft: Draft): void {
  history.replaceState(history.state, "", PREFIX + keepDraft(draft));
  sessionStorage.removeItem(LEFT);
}

/** Have the browser hold the draft where the page goes: its address cannot be changed any more. */
export function leaveDraft(draft: Draft): void {
  hold(sessionStorage, LEFT, `${location.hash} ${keepDraft(draft)}`);
}

/** What was typed at this address when it was left; null where that was at another one. A reload is
 * of what was left, though its address may be the one before: what is written to the address once a
 * reload has begun does not reach it. */
function leftAt(hash: string): string | null {
  const [address, text] = sessionStorage.getItem(LEFT)?.split(" ") ?? [];
  return address === hash || isReload() ? (text ?? null) : null;
}

function isReload(): boolean {
  const [entry] = performance.getEntriesByType("navigation");
  return (entry as PerformanceNavigationTiming | undefined)?.type === "reload";
}

/** Have the browser hold the draft, for the next time; as it is in an address. */
export function keepDraft(draft: Draft): string {
  const text = toBase64(new TextEncoder().encode(toJson(draft)));
  const before = draftOf(keptIn(sessionStorage));
  const kept = `${owner ?? ANYONE} ${text}`;
  hold(sessionStorage, KEPT, kept);
  // A tab that shows again what it had is not the one where something was typed last.
  if (before === null || !asksTheSame(draft, before)) hold(localStorage, KEPT, kept);
  return text;
}

/** The draft that a storage has for whose page this is. */
function keptIn(storage: Storage): string | null {
  const [who = "", text] = storage.getItem(KEPT)?.split(" ") ?? [];
  return text === undefined || isAnother(who, owner) ? null : text;
}

/** Have a storage of the browser hold a text, where it has room for it. */
function hold(storage: Storage, name: string, text: string): void {
  if (!isKept) return;
  try {
    storage.setItem(name, text);
  } catch {
    // Too large to be kept: an older one would be taken for the newest.
    storage.removeItem(name);
  }
}

function isDraft(value: unknown): value is Partial<Draft> & Pick<Draft, "stages"> {
  if (typeof value !== "object" || value === null) return false;
  const { prompt, stages } = value as Partial<Draft>;
  return typeof prompt === "string" && Array.isArray(stages) && stages.every(isStage);
}

function isStage(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { stage, params } = value as Partial<DraftStage>;
  return typeof stage === "string" && isRecord(params);
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isSource(value: unknown): boolean {
  return isText(value) || (isRecord(value) && isText(value["job"]) && isText(value["name"]));
}

function isNumeric(value: unknown): boolean {
  return typeof value === "number" || typeof value === "bigint" || isText(value);
}

function isRecord(value: unknown): value is Readonly<Partial<Record<string, unknown>>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const IS: { readonly [Name in Exclude<keyof Draft, "stages">]: (value: unknown) => boolean } = {
  preset: isText,
  prompt: isText,
  negativePrompt: isText,
  model: (value) => value === null || isText(value),
  seed: (value) => value === null || isNumeric(value),
  image: (value) => value === null || isSource(value),
  mask: (value) => value === null || isSource(value),
  references: (value) => Array.isArray(value) && value.every(isSource),
  controlImages: (value) => isRecord(value) && Object.values(value).every(isSource),
  count: isNumeric,
  variants: (value) => typeof value === "boolean",
  others: isRecord,
};

/** What of a draft is of its kind: an address may be written by hand, or by another version. */
function usable(draft: Partial<Draft>): Partial<Draft> {
  const names = Object.keys(IS) as (keyof typeof IS)[];
  return Object.fromEntries(
    names.filter((name) => IS[name](draft[name])).map((name) => [name, draft[name]]),
  );
}

/** Cards are told apart by their numbers, which a draft written by hand may lack or repeat. */
function withId(stage: DraftStage, index: number): DraftStage {
  return { ...stage, id: index };
}

function toBase64(bytes: Uint8Array): string {
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromBase64(text: string): Uint8Array {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}

/** Hold no draft of this page any more, which goes: another tab may be another person's by now. */
export function keepNoDraft(): void {
  isKept = false;
  forgetDraft();
}

/** Have this browser hold no draft: it is another person's turn. */
export function forgetDraft(): void {
  for (const storage of [sessionStorage, localStorage]) storage.removeItem(KEPT);
}
