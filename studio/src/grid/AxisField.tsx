import { useQuery } from "@tanstack/react-query";
import { modelsQuery } from "../api/queries";
import { Checks } from "../ui/Checks";
import { type Choice, ComboField, TextField } from "../ui/fields";
import { isCompound, notationOf, type Parameter, valuesOf } from "./axes";

interface Props {
  /** What the axis is called: columns, rows. */
  readonly label: string;
  readonly parameters: readonly Parameter[];
  /** As typed: the label of a parameter, or its name. */
  readonly parameter: string;
  readonly values: string;
  readonly onParameter: (typed: string) => void;
  readonly onValues: (typed: string) => void;
}

/** The parameter that is meant by its label or name. */
export function parameterOf(
  parameters: readonly Parameter[],
  typed: string,
): Parameter | undefined {
  return parameters.find(({ label, name }) => label === typed || name === typed);
}

/** One axis: which parameter, and the values that it takes. */
export function AxisField(props: Props) {
  const { label, parameters } = props;
  const found = parameterOf(parameters, props.parameter);
  const isLost = props.parameter !== "" && found === undefined && parameters.length > 0;
  return (
    <fieldset className="card stack axis">
      <legend>{label}</legend>
      <ComboField
        free
        label={`Parameter of the ${label.toLowerCase()}`}
        placeholder="Type to search"
        value={found?.label ?? props.parameter}
        onChange={(typed) => {
          props.onParameter(parameterOf(parameters, typed)?.name ?? typed);
        }}
        error={isLost ? "Choose one of the list." : undefined}
        choices={parameters.map(({ label: name }) => ({ id: name, label: name }))}
      />
      {found !== undefined && (
        <Values
          key={found.name}
          parameter={found}
          text={props.values}
          onText={props.onValues}
          label={`Values of the ${label.toLowerCase()}`}
        />
      )}
    </fieldset>
  );
}

interface ValuesProps {
  readonly label: string;
  readonly parameter: Parameter;
  readonly text: string;
  readonly onText: (text: string) => void;
}

function Values({ label, parameter: { field }, text, onText }: ValuesProps) {
  const models = useQuery({ ...modelsQuery, enabled: field.kind === "model" });
  const { problem } = valuesOf(field, text);
  const choices = field.kind === "model" ? modelChoices(models.data?.data ?? []) : choicesOf(field);
  const separator = notationOf(field) === "lines" ? "\n" : ",";
  if (choices.length > 0) {
    return (
      <Checks
        label={label}
        hint={field.description}
        value={text.split(separator)}
        onChange={(chosen) => onText(chosen.join(separator))}
        choices={choices}
      />
    );
  }
  const isNumeric = notationOf(field) === "numbers";
  return (
    <TextField
      label={label}
      hint={isNumeric ? `Such as 4, 8, 12 or 4..12 by 4. ${field.description}` : linesHint(field)}
      value={text}
      onChange={onText}
      error={problem}
      {...(!isNumeric && { rows: 3 })}
    />
  );
}

function linesHint(field: Parameter["field"]): string {
  if (!isCompound(field)) return "One a line.";
  return field.kind === "json"
    ? "One a line, as JSON."
    : "One a line, each a list with commas between.";
}

function choicesOf({ kind, choices }: Parameter["field"]): readonly Choice[] {
  const names = kind === "boolean" ? ["on", "off"] : kind === "choice" ? choices : [];
  return names.map((name) => ({ id: name, label: name }));
}

/** Models that paint, all of them by name. */
function modelChoices(models: readonly { readonly id: string }[]): readonly Choice[] {
  return models.map(({ id }) => ({ id, label: id }));
}
