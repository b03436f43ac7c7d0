import type { components } from "./schema";

type Schemas = components["schemas"];

export type JobDocument = Schemas["JobDocument"];
export type JobSummary = Schemas["JobSummary"];
export type GroupRequest = Schemas["GroupRequest"];
export type JobRequest = Schemas["JobRequest"];
export type StageDocument = Schemas["StageDocument"];
export type PresetDocument = Schemas["PresetDocument"];
export type EstimateRequest = Schemas["EstimateRequest"];
export type EstimateDocument = Schemas["EstimateDocument"];
export type ConfigRequest = Schemas["ConfigRequest"];
export type PromptRequest = Schemas["PromptRequest"];
export type PromptDocument = Schemas["PromptDocument"];
export type UploadDocument = Schemas["UploadDocument"];
export type InspectionDocument = Schemas["InspectionDocument"];
export type ModelList = Schemas["ModelList"];
export type LineageDocument = Schemas["LineageDocument"];
export type GridRequest = Schemas["GridRequest"];
export type GridDocument = Schemas["GridDocument"];
export type Relative = Schemas["RelativeDocument"];
export type JobStatus = JobSummary["status"];

/** States that last. */
export function hasEnded(status: JobStatus): boolean {
  return status !== "queued" && status !== "running";
}
