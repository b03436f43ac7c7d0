import type { EstimateDocument } from "../api/types";

/** Several estimates as one; what is not known of any is not known of all. */
export function summed(found: readonly EstimateDocument[]): EstimateDocument {
  const seconds = found.map((one) => one.seconds ?? null);
  const weights = found.map((one) => one.weights_bytes ?? null);
  return {
    steps: found[0]?.steps ?? [],
    seconds: seconds.includes(null)
      ? null
      : seconds.reduce<number>((sum, one) => sum + (one ?? 0), 0),
    weights_bytes: weights.includes(null) ? null : Math.max(...weights.map((one) => one ?? 0)),
    images: found.reduce((sum, { images = 0 }) => sum + images, 0),
    warnings: found[0]?.warnings ?? [],
    problems: [],
  };
}
