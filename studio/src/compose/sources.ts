import { queryOptions } from "@tanstack/react-query";
import { fileOf } from "../api/client";
import type { UploadDocument } from "../api/types";
import type { Source } from "../draft/draft";
import { fileUrl } from "../jobs/pictures";
import { uploadOf, uploadUrl } from "../picture/uploads";

/** What is told of a picture to start from; `size` is in bytes. */
type Told = Pick<UploadDocument, "width" | "height" | "size">;

/** Where a picture to start from is. */
export function sourceUrl(source: Source): string {
  return typeof source === "string" ? uploadUrl(source) : fileUrl(source.job, source.name);
}

/** What it is; an `ApiProblem` that is `missing` where it is there no more. */
export function sourceQuery(source: Source) {
  return queryOptions<Told>({
    queryKey: ["source", source],
    queryFn: async ({ signal }) => {
      if (typeof source === "string") return uploadOf(source, signal);
      // Browsers keep files of jobs that the server may have no more: it is asked each time.
      const file = await fileOf(sourceUrl(source), signal, "no-cache");
      const { width, height } = await createImageBitmap(file);
      return { width, height, size: file.size };
    },
    staleTime: 60_000,
  });
}

/** What tells one source from others. */
export function keyOf(source: Source): string {
  return typeof source === "string" ? source : `${source.job}/${source.name}`;
}
