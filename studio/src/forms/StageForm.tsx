import "./StageForm.css";
import { Disclosure, DisclosurePanel } from "react-aria-components";
import { type Json, sameJson } from "../api/json";
import type { StageDocument } from "../api/types";
import { Button } from "../ui/Button";
import type { Choice } from "../ui/fields";
import { Icon } from "../ui/Icon";
import { SchemaField } from "./SchemaField";
import { type FieldSpec, fieldsOf, type Schema } from "./schema";

export type Params = Readonly<Record<string, Json>>;

export interface StageFormProps {
  readonly stage: StageDocument;
  readonly params: Params;
  /** What a changed field is compared with and reset to: a preset's, an earlier job's. */
  readonly base: Params;
  /** `undefined` takes the parameter out, so that its default holds. */
  readonly onChange: (name: string, value: Json | undefined) => void;
  /** What is wrong, by parameter. */
  readonly errors?: Readonly<Record<string, string>>;
  /** Names to offer for a parameter, beside those of its schema. */
  readonly choices?: (field: FieldSpec) => readonly Choice[] | undefined;
  /** What holds where a parameter is empty, if it is known. */
  readonly placeholder?: (field: FieldSpec) => string | undefined;
  /** Parameters that are shown elsewhere. */
  readonly leftOut?: readonly string[];
}

/** The parameters of a stage: the important ones, and the others below "More". */
export function StageForm(props: StageFormProps) {
  const { stage, base, params, errors = {}, leftOut = [] } = props;
  const fields = fieldsOf(stage.params as Schema).filter(({ name }) => !leftOut.includes(name));
  const isFirst = ({ name }: FieldSpec) =>
    stage.important.length === 0 || stage.important.includes(name);
  const first = stage.important.flatMap((name) => fields.filter((field) => field.name === name));
  const others = fields.filter((field) => !isFirst(field));
  const touched = others.filter(
    (field) => errors[field.name] !== undefined || isChanged(field, params, base),
  );
  return (
    <div className="stack">
      <Fields {...props} fields={stage.important.length === 0 ? fields : first} />
      {others.length > 0 && (
        <Disclosure className="more" defaultExpanded={touched.length > 0}>
          <Button slot="trigger" kind="quiet">
            <Icon name="chevron" size={16} />
            More
            <span className="muted small">
              {touched.length > 0 ? `${touched.length} changed` : `${others.length} settings`}
            </span>
          </Button>
          <DisclosurePanel className="params-panel">
            <Fields {...props} fields={others} />
          </DisclosurePanel>
        </Disclosure>
      )}
    </div>
  );
}

function Fields({
  fields,
  params,
  base,
  onChange,
  errors = {},
  choices,
  placeholder,
}: StageFormProps & { readonly fields: readonly FieldSpec[] }) {
  return (
    <div className="params">
      {fields.map((field) => (
        <div
          key={field.name}
          className="param"
          data-wide={field.kind === "paragraph" || field.kind === "json" || undefined}
          data-changed={isChanged(field, params, base) || undefined}
        >
          <SchemaField
            field={field}
            value={params[field.name]}
            onChange={(value) => onChange(field.name, value)}
            error={errors[field.name]}
            choices={choices?.(field)}
            placeholder={placeholder?.(field)}
          />
          {isChanged(field, params, base) && (
            <span className="reset">
              <Button
                kind="quiet"
                aria-label={`Reset ${field.label}`}
                onPress={() => onChange(field.name, base[field.name])}
              >
                changed <Icon name="again" size={14} />
              </Button>
            </span>
          )}
        </div>
      ))}
    </div>
  );
}

/** Whether a parameter has another value than it began with; a default that is written out is none. */
export function isChanged(field: FieldSpec, params: Params, base: Params): boolean {
  const [now, before] = [params[field.name], base[field.name]];
  return !sameJson(now ?? field.default, before ?? field.default);
}
