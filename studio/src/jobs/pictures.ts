import type { JobDocument } from "../api/types";
import { labelOf } from "../forms/schema";

/** A picture of a job that can be looked at. */
export interface Picture {
  /** Its file's name in the job. */
  readonly name: string;
  readonly label: string;
  readonly url: string;
  readonly final: boolean;
}

/** Formats that browsers show. */
const SHOWN = new Set(["image/png", "image/jpeg", "image/webp", "image/avif"]);
const THUMBNAIL = /_thumbnail\.\w+$/;

/** What every stage made, in order, and the final picture in one of its formats. */
export function picturesOf(job: JobDocument): readonly Picture[] {
  const finals = new Set(job.outputs.map(({ name }) => name));
  const stages = job.artifacts
    .filter(({ name, media_type }) => SHOWN.has(media_type) && !finals.has(name))
    .filter(({ name }) => !THUMBNAIL.test(name))
    .map(({ name, stage, url }) => ({ name, label: labelOf(stage), url, final: false }));
  const output = job.outputs.find(
    ({ name, media_type }) => SHOWN.has(media_type) && !THUMBNAIL.test(name),
  );
  return output === undefined
    ? stages
    : [...stages, { name: output.name, label: "Published", url: output.url, final: true }];
}

/** The final picture of the job that this one was made from, to compare with. */
export function ofParent(parent: JobDocument): readonly Picture[] {
  return picturesOf(parent)
    .filter(({ final }) => final)
    .map((picture) => ({ ...picture, name: `parent:${picture.name}`, label: "Before this rerun" }));
}

/** A part of the picture that the detailer worked over; boxes are in pixels of `size`. */
export interface Region {
  readonly label: string;
  readonly score: number | null;
  readonly box: readonly [number, number, number, number];
  readonly before: string | null;
  readonly after: string | null;
}

export interface Regions {
  readonly step: string;
  readonly size: readonly [number, number];
  readonly regions: readonly Region[];
}

/** The regions of every detailer of a job. */
export function regionsOf(job: JobDocument): readonly Regions[] {
  return Object.entries(job.metadata).flatMap(([step, found]) => {
    const { regions, size } = found as Partial<Regions>;
    return Array.isArray(regions) && regions.length > 0 && Array.isArray(size)
      ? [{ step, size, regions }]
      : [];
  });
}

/** Where a file of a job is. */
export function fileUrl(jobId: string, name: string): string {
  const path = name.split("/").map(encodeURIComponent).join("/");
  return `/v1/jobs/${encodeURIComponent(jobId)}/artifacts/${path}`;
}
