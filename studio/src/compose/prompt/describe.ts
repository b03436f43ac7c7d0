import type { PromptDocument } from "../../api/types";

type Span = PromptDocument["spans"][number];

/** What the innermost construct at the caret is, in words; null where there is none. */
export function describeSpan(
  text: string,
  reading: PromptDocument,
  caret: number | null,
): string | null {
  if (caret === null) return null;
  const around = reading.spans.filter(({ start, end }) => start < caret && caret < end);
  const span = around.at(-1);
  return span === undefined ? null : `${quoted(text.slice(span.start, span.end))} ${words(span)}`;
}

function words(span: Span): string {
  const weight = typeof span.weight === "number" ? String(Math.round(span.weight * 100) / 100) : "";
  switch (span.kind) {
    case "variants":
      return typeof span.choices !== "number"
        ? "takes one of its choices."
        : `takes one of ${span.choices}.`;
    case "option":
      return span.weight === 1 || weight === ""
        ? "is one choice."
        : `is one choice, ${weight} times as likely as one without a number.`;
    case "wildcard":
      if (span.known === false) return "is a wildcard that is not known here.";
      return typeof span.choices !== "number"
        ? "is a wildcard."
        : `takes one of the wildcard's ${span.choices}.`;
    case "variable":
      return "is what was set earlier.";
    case "assignment":
      return "sets a variable, and shows nothing.";
    case "lora":
      return span.known === false
        ? "names a LoRA that is not here, or does not fit."
        : `brings a LoRA at ${weight || "its weight"}.`;
    case "weight":
      return `counts ${weight} times.`;
    case "chunk":
      return "begins another chunk for the text encoder.";
    case "escape":
      return "is the character itself.";
    case "other_syntax":
      return "is another tool's notation; see below.";
  }
}

/** The text in quotes, long ones cut. */
function quoted(text: string): string {
  const letters = [...text];
  return letters.length > 40 ? `“${letters.slice(0, 39).join("")}…”` : `“${text}”`;
}

/** Of how many ways a prompt can be read: `null` is not known, the largest stands for more. */
export function countWays(variants: number | null): string {
  if (variants === null) return "Cannot be counted";
  if (variants >= 1e9) return "More than a thousand million ways to read it";
  return variants === 1 ? "One way to read it" : `${variants.toLocaleString()} ways to read it`;
}
