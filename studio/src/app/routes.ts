/** Where things are; the base `/studio` is the router's. */
export const routes = {
  compose: () => "/",
  /** What a job was asked for, to be changed and sent anew. */
  composeFrom: (job: string) => `/?from=${encodeURIComponent(job)}`,
  queue: () => "/queue",
  library: () => "/library",
  batch: () => "/batch",
  settings: () => "/settings",
  inpaint: (id: string, picture: string) =>
    `/jobs/${encodeURIComponent(id)}/inpaint?show=${encodeURIComponent(picture)}`,
  grid: (id: string) => `/grids/${encodeURIComponent(id)}`,
  /** A grid to be, over a job; without one over what is being composed. */
  newGrid: (job?: string) =>
    `/grids/new${job === undefined ? "" : `?job=${encodeURIComponent(job)}`}`,
  group: (id: string) => `/groups/${encodeURIComponent(id)}`,
  compare: (ids: readonly string[]) =>
    `/compare?${ids.map((id) => `job=${encodeURIComponent(id)}`).join("&")}`,
  job: (id: string) => `/jobs/${encodeURIComponent(id)}`,
} as const;
