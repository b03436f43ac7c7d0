import type { EstimateDocument } from "../api/types";
import { durationText } from "../ui/format";

type Step = NonNullable<EstimateDocument["steps"]>[number];

/** The whole in a line; what is not known is said to be so. */
export function costInShort(estimate: EstimateDocument): string {
  const { seconds = null, images = 0, weights_bytes = null } = estimate;
  const time = seconds === null ? partly(estimate) : `about ${durationText(seconds)}`;
  return [
    ...(images > 1 ? [imagesText(images)] : []),
    time,
    ...(weights_bytes === null ? [] : [memoryText(weights_bytes)]),
  ].join(" · ");
}

/** What is known of the time where not all is. */
function partly({ steps = [] }: EstimateDocument): string {
  const known = steps.filter(({ seconds, enabled }) => enabled && seconds !== null);
  if (known.length === 0) return "time unknown: nothing like it has run yet";
  const sum = known.reduce((total, { seconds }) => total + (seconds ?? 0), 0);
  return `more than ${durationText(sum)}: some stages have not run yet`;
}

export function imagesText(images: number): string {
  return images === 1 ? "One image" : `${images.toLocaleString()} images`;
}

/** The time of one stage. */
export function secondsText(seconds: number | null, basis: Step["basis"]): string {
  if (seconds === null) return "unknown";
  return basis === "scaled" ? `about ${durationText(seconds)}` : durationText(seconds);
}

/** Memory for weights. */
export function memoryText(bytes: number | null): string {
  if (bytes === null) return "unknown";
  const gibibytes = bytes / 2 ** 30;
  if (gibibytes < 0.1) return `${Math.max(1, Math.round(bytes / 2 ** 20))} MiB of weights`;
  return `${gibibytes.toFixed(1)} GiB of weights`;
}
