import "./PromptField.css";
import { type ReactNode, type RefObject, useEffect, useMemo, useState } from "react";
import { Label, TextArea, TextField } from "react-aria-components";
import type { PromptDocument } from "../../api/types";
import { Button } from "../../ui/Button";
import { Problems } from "../../ui/Problems";
import { describeSpan } from "./describe";
import { marksOf, pieces } from "./marks";
import { PromptNotes } from "./PromptNotes";

interface Props {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  /** How the server reads it; null until it has. */
  readonly reading: PromptDocument | null;
  /** Why it could not. */
  readonly error?: unknown;
  readonly area: RefObject<HTMLTextAreaElement | null>;
  readonly rows: number;
  readonly placeholder?: string;
  /** Beside the label. */
  readonly tools?: ReactNode;
  /** Whether there may be more than one reading to tell of. */
  readonly children?: ReactNode;
}

/** Characters that can be edited without delay; more than any server takes. */
const SHOWN = 50_000;

/** A text field for prompts: over a layer that marks what the server's parser reads in it.
 *
 * The text field itself is a plain one, for keyboards, screen readers, spelling and input methods;
 * the layer has the same text in the same place, transparent.
 */
export function PromptField({
  label,
  value,
  onChange,
  reading,
  error,
  area,
  rows,
  placeholder = "",
  tools,
  children,
}: Props) {
  const parts = useMemo(
    () => pieces(value, reading === null ? [] : marksOf(reading)),
    [value, reading],
  );
  const caret = useCaret(area);
  const here = reading === null ? null : describeSpan(value, reading, caret);
  const problems = reading?.problems.length ?? 0;
  if (value.length > SHOWN) {
    return (
      <section className="field" aria-label={label}>
        <span className="label">{label}</span>
        <p>{value.length.toLocaleString()} characters: too many for a prompt, and to be edited.</p>
        <div>
          <Button onPress={() => onChange("")}>Clear</Button>
        </div>
      </section>
    );
  }
  return (
    <TextField className="field" value={value} onChange={onChange} isInvalid={problems > 0}>
      <div className="row spread">
        <Label className="label">{label}</Label>
        <span className="row prompt-tools">{tools}</span>
      </div>
      <div className="prompt-box" style={{ "--rows": rows } as React.CSSProperties}>
        <div className="prompt-layer" aria-hidden="true">
          {parts.map(({ text, kinds }, index) => (
            <span
              // biome-ignore lint/suspicious/noArrayIndexKey: pieces are nothing but their place
              key={index}
              className={kinds.map((kind) => `mark-${kind}`).join(" ")}
            >
              {text}
            </span>
          ))}
          {/* A line that has nothing yet is as high as one that has. */}
          {"\u200b"}
        </div>
        <TextArea ref={area} rows={rows} placeholder={placeholder} />
      </div>
      {here !== null && <p className="hint">{here}</p>}
      <PromptNotes text={value} reading={reading} area={area} />
      <Problems error={error} title="It cannot be read yet" />
      {children}
    </TextField>
  );
}

/** Where the caret is in a text field. */
function useCaret(area: RefObject<HTMLTextAreaElement | null>): number | null {
  const [caret, setCaret] = useState<number | null>(null);
  useEffect(() => {
    const look = () => {
      const field = area.current;
      setCaret(field !== null && document.activeElement === field ? field.selectionStart : null);
    };
    document.addEventListener("selectionchange", look);
    return () => document.removeEventListener("selectionchange", look);
  }, [area]);
  return caret;
}
