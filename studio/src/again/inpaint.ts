import type { JobDocument, JobRequest } from "../api/types";
import type { Params } from "../forms/StageForm";
import { stepsOf } from "../jobs/steps";

export interface Inpainting {
  readonly prompt: string;
  /** The picture's file in the job. */
  readonly picture: string;
  /** Id of an upload. */
  readonly mask: string;
  readonly strength: number | null;
  readonly feather: number | null;
}

/** A job that paints a part of a picture again: the detailer works at the model's own size inside
 * the mask, all else stays as it is. Prompts are read and pictures are published as the job's were,
 * by the same model. */
export function inpaintRequest(job: JobDocument, given: Inpainting): JobRequest {
  const paramsOf = (wanted: string) =>
    stepsOf(job).find(({ stage }) => stage === wanted)?.params ?? {};
  const detailer: Params = {
    ...(given.strength !== null && { strength: given.strength }),
    ...(given.feather !== null && { blur: given.feather }),
    dilate: 0,
  };
  const { negative_prompt, model } = job.input;
  const { prompt: _, seed: __, description: ___, ...shared } = job.config;
  return {
    config: {
      ...shared,
      stages: [
        { stage: "prompt", params: paramsOf("prompt") },
        { stage: "detailer", params: detailer },
        { stage: "publisher", params: paramsOf("publisher") },
      ],
    },
    input: {
      prompt: given.prompt,
      image: { job: job.id, name: given.picture },
      mask: given.mask,
      ...(typeof negative_prompt === "string" && { negative_prompt }),
      ...(typeof model === "string" && { model }),
    },
  } as unknown as JobRequest;
}
