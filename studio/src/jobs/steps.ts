import type { JobDocument } from "../api/types";
import type { Params } from "../forms/StageForm";
import { stepNames } from "../forms/stepNames";

/** A step of a job: its name there, the stage that it is, and its parameters. */
export interface Step {
  readonly name: string;
  readonly stage: string;
  readonly params: Params;
}

/** The steps of a job, in order. */
export function stepsOf(job: Pick<JobDocument, "config">): readonly Step[] {
  const stages = (job.config["stages"] ?? []) as readonly {
    readonly stage: string;
    readonly params?: Params;
  }[];
  const names = stepNames(stages.map(({ stage }) => stage));
  return stages.map(({ stage, params }, at) => ({
    name: names[at] ?? stage,
    stage,
    params: params ?? {},
  }));
}
