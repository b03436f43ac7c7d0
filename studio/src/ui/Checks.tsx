import { Checkbox, CheckboxGroup, Label } from "react-aria-components";
import { Below, type Choice, type FieldProps } from "./fields";
import { Icon } from "./Icon";

interface Props extends FieldProps<readonly string[]> {
  readonly choices: readonly Choice[];
}

/** Any of a few. */
export function Checks({ label, hint, error, value, onChange, choices, ...props }: Props) {
  return (
    <CheckboxGroup
      {...props}
      className="field"
      value={[...value]}
      onChange={(found) => onChange(choices.map(({ id }) => id).filter((id) => found.includes(id)))}
      isInvalid={error !== undefined}
    >
      <Label>{label}</Label>
      <div className="checks">
        {choices.map(({ id, label: name }) => (
          <Checkbox key={id} value={id} className="check">
            <span className="box">
              <Icon name="check" size={14} />
            </span>
            {name}
          </Checkbox>
        ))}
      </div>
      <Below hint={hint} error={error} />
    </CheckboxGroup>
  );
}
