import type { CheckDocument } from "./queries";

export interface Section {
  readonly id: string;
  readonly label: string;
  readonly count: number;
  /** What was found, by name; of several checks of a name, all. */
  readonly found: readonly (readonly [name: string, found: string])[];
}

const LABELS: Readonly<Record<string, string>> = {
  versions: "Libraries",
  device: "Device",
  models: "Models",
  plugins: "Plugins",
  folders: "Folders and database",
  signing: "Signing",
  studio: "Studio",
};

/** The checks by what they are about, in the order in which the server made them. */
export function sectionsOf(checks: readonly CheckDocument[]): Section[] {
  return [...new Set(checks.map(({ section }) => section))].map((id) => {
    const own = checks.filter(({ section }) => section === id);
    const found = new Map<string, string>();
    for (const check of own) {
      const before = found.get(check.name);
      found.set(check.name, before === undefined ? check.found : `${before}; ${check.found}`);
    }
    return { id, label: LABELS[id] ?? id, count: own.length, found: [...found] };
  });
}

/** What says how to mend it: what is missing first, then what ninefold does without. */
export function openOf(checks: readonly CheckDocument[]): CheckDocument[] {
  return [
    ...checks.filter(({ verdict }) => verdict === "missing"),
    ...checks.filter(({ verdict }) => verdict === "note"),
  ];
}

/** How it stands, in a line. */
export function summaryOf(checks: readonly CheckDocument[]): string {
  const count = (verdict: CheckDocument["verdict"]) =>
    checks.filter((check) => check.verdict === verdict).length;
  const missing = count("missing");
  const notes = count("note");
  const found = [missing === 0 ? "All that is needed is there" : `${missing} missing`];
  if (notes > 0) found.push(notes === 1 ? "1 note" : `${notes} notes`);
  return found.join(" · ");
}
