import { useState } from "react";
import { type Json, sameJson } from "../api/json";

/** How a value is written as text, and read from it; any text is read as something. */
export interface Notation {
  readonly read: (text: string) => Json | undefined;
  readonly write: (value: Json | undefined) => string;
}

/** The text of a field whose value is no text: as it was typed (`1.`, `a, `) for as long as it
 * stands for the value, and as the value is written once that is changed elsewhere. */
export function useTyped(
  value: Json | undefined,
  onChange: (value: Json | undefined) => void,
  { read, write }: Notation,
): readonly [text: string, onType: (text: string) => void] {
  const [typed, setTyped] = useState<string | null>(null);
  const stands = typed !== null && sameJson(read(typed), value);
  return [
    stands ? typed : write(value),
    (text) => {
      setTyped(text);
      onChange(read(text));
    },
  ];
}
