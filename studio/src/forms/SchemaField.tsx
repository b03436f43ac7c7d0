import type { Json } from "../api/json";
import { Checks } from "../ui/Checks";
import { type Choice, ComboField, SelectField, Switch, TextField } from "../ui/fields";
import { NumericField, stepOf } from "./NumericField";
import { documents, LISTS } from "./notations";
import type { FieldSpec } from "./schema";
import { type Notation, useTyped } from "./useTyped";

interface Props {
  readonly field: FieldSpec;
  /** `undefined` where nothing is given, so that the default holds. */
  readonly value: Json | undefined;
  readonly onChange: (value: Json | undefined) => void;
  readonly error?: string | undefined;
  /** Names to offer, of models and the like; any other can be typed, too. */
  readonly choices?: readonly Choice[] | undefined;
  /** What holds where nothing is given, if the schema does not know it: the model's own. */
  readonly placeholder?: string | undefined;
}

/** The field of one parameter, as its schema describes it. */
export function SchemaField({ field, value, onChange, error, choices, placeholder }: Props) {
  const shared = { label: field.label, hint: field.description, error };
  const current = value === undefined ? field.default : value;
  const kind = choices !== undefined && field.kind === "text" ? "model" : field.kind;
  switch (kind) {
    case "boolean":
      return (
        <Switch
          label={field.label}
          hint={field.description}
          value={current === true}
          onChange={onChange}
        />
      );
    case "integer":
    case "number":
      return (
        <NumericField
          {...shared}
          value={current}
          onChange={onChange}
          empty={field.nullable ? null : undefined}
          minimum={field.minimum}
          maximum={field.maximum}
          step={stepOf(kind === "integer", field.maximum)}
          placeholder={placeholder}
        />
      );
    case "choice":
      return (
        <SelectField
          {...shared}
          value={String(current ?? "")}
          onChange={(found) => onChange(found === "" ? null : found)}
          choices={[
            ...(field.nullable ? [{ id: "", label: "By default" }] : []),
            ...field.choices.map((name) => ({ id: name, label: name })),
          ]}
        />
      );
    case "choices":
      return (
        <Checks
          {...shared}
          value={Array.isArray(current) ? current.map(String) : []}
          onChange={onChange}
          choices={field.choices.map((name) => ({ id: name, label: name }))}
        />
      );
    case "model":
      return (
        <ComboField
          {...shared}
          free
          placeholder={placeholder}
          value={String(current ?? "")}
          onChange={(found) => onChange(found === "" && field.nullable ? null : found)}
          choices={choices ?? field.choices.map((name) => ({ id: name, label: name }))}
        />
      );
    case "text":
    case "paragraph":
      return (
        <TextField
          {...shared}
          {...(kind === "paragraph" && { rows: 2 })}
          value={String(current ?? "")}
          onChange={(found) => onChange(found === "" && field.nullable ? null : found)}
        />
      );
    case "texts":
      return <TypedField {...shared} value={current} onChange={onChange} notation={LISTS} />;
    case "json":
      return (
        <TypedField
          {...shared}
          rows={3}
          value={current}
          onChange={onChange}
          notation={documents(field.nullable ? null : undefined)}
        />
      );
  }
}

interface TypedFieldProps {
  readonly label: string;
  readonly hint: string;
  readonly error: string | undefined;
  readonly rows?: number;
  readonly value: Json;
  readonly onChange: (value: Json | undefined) => void;
  readonly notation: Notation;
}

/** A value that is written as text. */
function TypedField({ value, onChange, notation, ...props }: TypedFieldProps) {
  const [text, onType] = useTyped(value, onChange, notation);
  return <TextField {...props} value={text} onChange={onType} />;
}
