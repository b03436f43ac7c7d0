import { queryOptions } from "@tanstack/react-query";
import { api, dataOf } from "../api/client";
import type { InspectionDocument, UploadDocument } from "../api/types";
import { readable } from "./readable";

export type UploadKind = UploadDocument["kind"];

/** What can be sent as a picture, as file dialogs take it. */
export const PICTURES = ["image/png", "image/jpeg", "image/webp", "image/avif", "image/jxl"];

/** Why a file cannot be sent, as far as that is known here; null where it can. */
export function refusalOf(file: File): string | null {
  if (file.size === 0) return `${file.name} is empty.`;
  // Some systems do not know the type of every format: then the server looks into the file.
  if (file.type === "" || PICTURES.includes(file.type)) return null;
  return `${file.name} is ${file.type}: expected a PNG, JPEG, WebP, AVIF or JPEG XL picture.`;
}

/** The file, where it can be sent; throws an `Error` that says why not. */
function sendable(file: File): Promise<File> {
  const refusal = refusalOf(file);
  if (refusal !== null) throw new Error(refusal);
  return readable(file);
}

/** Send a picture; throws an `ApiProblem` or an `Error` that says why it cannot be used. */
export async function upload(
  file: File,
  kind: UploadKind,
  signal?: AbortSignal,
): Promise<UploadDocument> {
  const body = new FormData();
  body.append("file", await sendable(file));
  body.append("kind", kind);
  // The generated type has a text where a form has a file.
  const sent = { body: body as unknown as UploadForm };
  return dataOf(api.POST("/v1/uploads", signal === undefined ? sent : { ...sent, signal }));
}

/** What a picture says of how it was made. */
async function inspect(file: File): Promise<InspectionDocument> {
  const body = new FormData();
  body.append("file", await sendable(file));
  return dataOf(api.POST("/v1/inspect", { body: body as unknown as InspectForm }));
}

/** The same, asked for once. */
export function inspectQuery(file: File) {
  return queryOptions({
    queryKey: ["inspect", file.name, file.size, file.lastModified],
    queryFn: () => inspect(file),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
}

interface InspectForm {
  readonly file: string;
}

interface UploadForm extends InspectForm {
  readonly kind: UploadKind;
}

/** Where a picture is that was sent. */
export function uploadUrl(id: string): string {
  return `/v1/uploads/${encodeURIComponent(id)}/file`;
}

/** What is known of a picture that was sent. */
export function uploadOf(id: string, signal: AbortSignal): Promise<UploadDocument> {
  return dataOf(
    api.GET("/v1/uploads/{upload_id}", { params: { path: { upload_id: id } }, signal }),
  );
}

/** The first picture of a drop or a paste. */
export function pictureIn(data: DataTransfer | null): File | null {
  const files = [...(data?.files ?? [])];
  return files.find(({ type }) => type.startsWith("image/")) ?? files[0] ?? null;
}
