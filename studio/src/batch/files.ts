import { readable } from "../picture/readable";

/** Bytes of a file that is read at most. */
export const MAX_BYTES = 16 * 2 ** 20;

/** The text of a file; throws an `Error` that says why it is none. */
export async function textOf(file: File): Promise<string> {
  if (file.size > MAX_BYTES) {
    throw new Error(
      `${file.name} has ${Math.ceil(file.size / 2 ** 20)} MiB: expected at most 16. Split it.`,
    );
  }
  return decoded(new Uint8Array(await (await readable(file)).arrayBuffer()), file.name);
}

const WIDE: Readonly<Record<string, string>> = { "255,254": "utf-16le", "254,255": "utf-16be" };

/** Bytes as text: UTF-8, or UTF-16 where its mark stands first. */
export function decoded(bytes: Uint8Array, name: string): string {
  const wide = WIDE[`${bytes[0]},${bytes[1]}`];
  let text: string;
  try {
    text = new TextDecoder(wide ?? "utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error(`${name} is no text in UTF-8. Save it as UTF-8 text, CSV or JSONL.`);
  }
  if (text.includes("\0")) throw new Error(`${name} is no text: expected CSV, JSONL or a list.`);
  if (text.trim() === "") throw new Error(`${name} is empty.`);
  return text;
}
