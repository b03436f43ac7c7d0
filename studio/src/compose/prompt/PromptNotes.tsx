import type { RefObject } from "react";
import type { PromptDocument } from "../../api/types";
import { Icon } from "../../ui/Icon";
import { characterAt } from "./marks";

interface Props {
  readonly text: string;
  readonly reading: PromptDocument | null;
  readonly area: RefObject<HTMLTextAreaElement | null>;
}

/** Most that is listed. */
const MOST = 8;

/** What is wrong with a prompt and where, under it; the place is selected by a press. */
export function PromptNotes({ text, reading, area }: Props) {
  const notes = [
    ...(reading?.problems ?? []).map((note) => ({ ...note, kind: "problem" as const })),
    ...(reading?.warnings ?? []).map((note) => ({ ...note, kind: "warning" as const })),
  ];
  const select = (start: number, end: number) => {
    area.current?.focus();
    area.current?.setSelectionRange(start, end);
  };
  return (
    <div role="status">
      {notes.length > 0 && (
        <ul className="prompt-notes">
          {notes.slice(0, MOST).map(({ start, end, kind, message }) => (
            <li key={`${start} ${message}`} data-kind={kind}>
              <Icon name="warning" size={14} />
              <span>
                <button type="button" className="link" onClick={() => select(start, end)}>
                  {kind === "problem" ? "Problem" : "Note"} at character {characterAt(text, start)}
                </button>
                : {shortened(message)}
              </span>
            </li>
          ))}
          {notes.length > MOST && <li>… and {notes.length - MOST} more.</li>}
        </ul>
      )}
    </div>
  );
}

/** The message without its place, which stands before it. */
function shortened(message: string): string {
  return message.replace(/^(negative_)?prompt(, character \d+)?: /, "");
}
