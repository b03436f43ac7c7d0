import type { EstimateRequest, GridRequest, JobDocument, JobRequest } from "../api/types";
import { asInput } from "../jobs/asInput";
import type { Axis } from "./axes";

/** What all cells have in common. */
export type Base = Pick<JobRequest, "config" | "preset" | "input">;

/** A job as what all cells have in common: its seed and pictures, too, so that they differ by the
 * axes alone. */
export function baseOf(job: JobDocument): Base {
  return {
    config: job.config,
    input: { ...asInput(job), ...(job.seed !== null && { seed: job.seed }) },
  } as Base;
}

/** What is sent for a grid, and for its estimate. */
export function gridRequestOf(
  { input, ...recipe }: Base,
  x: Axis,
  y: Axis | null,
): GridRequest & EstimateRequest {
  return {
    ...recipe,
    input: without(input, [x, y]),
    x,
    ...(y !== null && { y }),
  } as unknown as GridRequest & EstimateRequest;
}

/** The pictures that an input holds, in words; empty where it holds none. */
export function picturesText({ image, mask, references, control_images }: Base["input"]): string {
  const counted = (count: number, one: string) =>
    count === 0 ? [] : [count === 1 ? `a ${one}` : `${count} ${one}s`];
  const all = [
    ...counted(image ? 1 : 0, "source picture"),
    ...counted(mask ? 1 : 0, "mask"),
    ...counted(references?.length ?? 0, "reference"),
    ...counted(Object.keys(control_images ?? {}).length, "control picture"),
  ];
  return all.length < 2 ? all.join("") : `${all.slice(0, -1).join(", ")} and ${all.at(-1)}`;
}

/** The input without what the axes give. */
function without(input: Base["input"], axes: readonly (Axis | null)[]): Base["input"] {
  const names = new Set(axes.map((axis) => axis?.parameter));
  const kept = Object.entries(input).filter(([name]) => name === "prompt" || !names.has(name));
  return Object.fromEntries(kept) as Base["input"];
}
