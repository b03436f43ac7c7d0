import type { ListQuery } from "../api/jobList";
import type { JobStatus } from "../api/types";

/** What of the library is shown, as the page's address holds it. */
export interface Filters {
  readonly text: string;
  readonly model: string;
  readonly lora: string;
  readonly seed: string;
  readonly statuses: readonly JobStatus[];
  readonly favourite: boolean;
  /** Days, as date fields have them; both belong to what is shown. */
  readonly from: string;
  readonly to: string;
  readonly group: string;
  /** Only reruns of this job. */
  readonly parent: string;
}

export const STATUSES: readonly JobStatus[] = [
  "queued",
  "running",
  "succeeded",
  "failed",
  "cancelled",
];

/** Texts of the filters, by their names in the address. */
const TEXTS = {
  text: "q",
  model: "model",
  lora: "lora",
  seed: "seed",
  from: "from",
  to: "to",
  group: "group",
  parent: "parent",
} as const;
type TextName = keyof typeof TEXTS;
const TEXT_NAMES = Object.keys(TEXTS) as readonly TextName[];

/** Seeds are below this. */
const SEEDS = 2n ** 63n;

export function filtersOf(search: URLSearchParams): Filters {
  const texts = Object.fromEntries(
    TEXT_NAMES.map((name) => [name, search.get(TEXTS[name]) ?? ""]),
  ) as Record<TextName, string>;
  const asked = search.getAll("status");
  return {
    ...texts,
    statuses: STATUSES.filter((status) => asked.includes(status)),
    favourite: search.get("favourite") === "true",
  };
}

/** The address's query for filters; what is not set is left out. */
export function searchOf(filters: Filters): URLSearchParams {
  const search = new URLSearchParams();
  for (const name of TEXT_NAMES) if (filters[name] !== "") search.set(TEXTS[name], filters[name]);
  for (const status of filters.statuses) search.append("status", status);
  if (filters.favourite) search.set("favourite", "true");
  return search;
}

/** Whether anything is left out of the list. */
export function isFiltered(filters: Filters): boolean {
  return searchOf(filters).size > 0;
}

/** Why a filter cannot be used, by its name. */
export function problemsOf(filters: Filters): Partial<Record<keyof Filters, string>> {
  const { seed, from, to } = filters;
  return {
    ...(seed !== "" &&
      !(/^\d{1,19}$/.test(seed.trim()) && BigInt(seed.trim()) < SEEDS) && {
        seed: `Expected a whole number from 0 to ${SEEDS - 1n}, got ${seed}.`,
      }),
    ...(from !== "" && to !== "" && from > to && { to: "This day is before the first one." }),
  };
}

/** What to ask the server for; `before` is the moment that holds the list still. Filters that
 * cannot be used are left out. */
export function queryOf(filters: Filters, before: string | null): ListQuery {
  const wrong = problemsOf(filters);
  const until = [dayAfter(filters.to), before].filter((moment) => moment !== null).sort()[0];
  const from = startOf(filters.from);
  const q = filters.text.trim();
  const { model, lora, group, parent, statuses, favourite } = filters;
  return {
    ...(q !== "" && { q }),
    ...(model.trim() !== "" && { model: model.trim() }),
    ...(lora.trim() !== "" && { lora: lora.trim() }),
    // Digits as they are: a number would round beyond 2^53.
    ...(filters.seed !== "" &&
      wrong.seed === undefined && { seed: filters.seed.trim() as unknown as number }),
    ...(statuses.length > 0 && { status: [...statuses] }),
    ...(favourite && { favourite: true }),
    ...(group !== "" && { group }),
    ...(parent !== "" && { parent }),
    ...(from !== null && { created_after: from }),
    ...(until !== undefined && { created_before: until }),
  };
}

/** The moment when a day begins here; null where it is none. */
function startOf(day: string): string | null {
  const found = new Date(`${day}T00:00`);
  return day === "" || Number.isNaN(found.getTime()) ? null : found.toISOString();
}

function dayAfter(day: string): string | null {
  const start = startOf(day);
  if (start === null) return null;
  const found = new Date(start);
  found.setDate(found.getDate() + 1);
  return found.toISOString();
}
