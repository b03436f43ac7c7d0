import "./fields.css";
import type { ReactNode } from "react";
import {
  NumberField as AriaNumberField,
  Switch as AriaSwitch,
  TextField as AriaTextField,
  Button,
  ComboBox,
  FieldError,
  Input,
  Label,
  ListBox,
  ListBoxItem,
  Popover,
  Select,
  SelectValue,
  Text,
  TextArea,
} from "react-aria-components";
import { Icon } from "./Icon";

/** What every field has. */
export interface FieldProps<T> {
  readonly label: string;
  readonly value: T;
  readonly onChange: (value: T) => void;
  /** What it does, below it. */
  readonly hint?: ReactNode;
  /** Why the value cannot be used. */
  readonly error?: string | undefined;
  readonly isDisabled?: boolean;
}

/** What stands below a field: why it cannot be used, and what it does. */
export function Below({
  hint,
  error,
}: {
  readonly hint?: ReactNode;
  readonly error?: string | undefined;
}) {
  return (
    <>
      {hint !== undefined && (
        <Text slot="description" className="hint">
          {hint}
        </Text>
      )}
      <FieldError className="field-error">{error}</FieldError>
    </>
  );
}

interface TextFieldProps extends FieldProps<string> {
  readonly rows?: number;
  readonly placeholder?: string;
  readonly type?: "text" | "password" | "search";
  readonly onSubmit?: () => void;
  readonly onBlur?: () => void;
}

/** A line of text, or several where `rows` is given. */
export function TextField({
  label,
  hint,
  error,
  rows,
  placeholder = "",
  onSubmit,
  ...props
}: TextFieldProps) {
  return (
    <AriaTextField {...props} isInvalid={error !== undefined} className="field">
      <Label>{label}</Label>
      {rows === undefined ? (
        <Input
          placeholder={placeholder}
          onKeyDown={(event) => event.key === "Enter" && onSubmit?.()}
        />
      ) : (
        <TextArea
          rows={rows}
          placeholder={placeholder}
          onKeyDown={(event) =>
            event.key === "Enter" && (event.ctrlKey || event.metaKey) && onSubmit?.()
          }
        />
      )}
      <Below hint={hint} error={error} />
    </AriaTextField>
  );
}

interface NumberFieldProps extends FieldProps<number | null> {
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly step?: number | undefined;
}

/** A number; empty is `null`. */
export function NumberField({
  label,
  hint,
  error,
  value,
  onChange,
  minimum,
  maximum,
  step,
  ...props
}: NumberFieldProps) {
  return (
    <AriaNumberField
      {...props}
      className="field"
      value={value ?? Number.NaN}
      onChange={(found) => onChange(Number.isNaN(found) ? null : found)}
      {...(minimum !== undefined && { minValue: minimum })}
      {...(maximum !== undefined && { maxValue: maximum })}
      {...(step !== undefined && { step })}
      formatOptions={{ maximumFractionDigits: 4, useGrouping: false }}
      isInvalid={error !== undefined}
    >
      <Label>{label}</Label>
      <div className="number">
        <Input />
        <Button slot="decrement">−</Button>
        <Button slot="increment">+</Button>
      </div>
      <Below hint={hint} error={error} />
    </AriaNumberField>
  );
}

export interface Choice<T extends string = string> {
  readonly id: T;
  readonly label: string;
  /** What sets it apart, below its name. */
  readonly detail?: string;
}

interface ChoiceProps<T extends string> extends FieldProps<T> {
  readonly choices: readonly Choice<T>[];
}

function Choices<T extends string>({ choices }: { readonly choices: readonly Choice<T>[] }) {
  return (
    <Popover className="popover">
      <ListBox items={choices} className="choices">
        {({ id, label, detail }) => (
          <ListBoxItem id={id} textValue={label} className="choice">
            <Text slot="label">{label}</Text>
            {detail !== undefined && (
              <Text slot="description" className="hint">
                {detail}
              </Text>
            )}
          </ListBoxItem>
        )}
      </ListBox>
    </Popover>
  );
}

/** One of a few. */
export function SelectField<T extends string>({
  label,
  hint,
  error,
  value,
  onChange,
  choices,
  placeholder,
  ...props
}: ChoiceProps<T> & { readonly placeholder?: string }) {
  return (
    <Select
      {...props}
      className="field"
      {...(placeholder !== undefined && { placeholder })}
      value={placeholder === undefined || value !== "" ? value : null}
      onChange={(key) => key !== null && onChange(String(key) as T)}
      isInvalid={error !== undefined}
    >
      <Label>{label}</Label>
      <Button className="select">
        <SelectValue />
        <Icon name="chevron" size={16} />
      </Button>
      <Below hint={hint} error={error} />
      <Choices choices={choices} />
    </Select>
  );
}

/** One of many, found by typing; with `free`, any other text, too. */
export function ComboField({
  label,
  hint,
  error,
  value,
  onChange,
  choices,
  free = false,
  placeholder = "",
  ...props
}: ChoiceProps<string> & {
  readonly free?: boolean;
  readonly placeholder?: string | undefined;
}) {
  return (
    <ComboBox
      {...props}
      className="field"
      menuTrigger="focus"
      allowsCustomValue={free}
      defaultItems={choices}
      inputValue={value}
      onInputChange={onChange}
      isInvalid={error !== undefined}
    >
      <Label>{label}</Label>
      <div className="combo">
        <Input placeholder={placeholder} />
        <Button>
          <Icon name="chevron" size={16} />
        </Button>
      </div>
      <Below hint={hint} error={error} />
      <Choices choices={choices} />
    </ComboBox>
  );
}

interface SwitchProps {
  readonly label: string;
  readonly value: boolean;
  readonly onChange: (value: boolean) => void;
  readonly hint?: ReactNode;
  readonly isDisabled?: boolean;
  /** Only for those who hear the page. */
  readonly hiddenLabel?: boolean;
}

export function Switch({
  label,
  value,
  onChange,
  hint,
  hiddenLabel = false,
  ...props
}: SwitchProps) {
  return (
    <div className="field">
      <AriaSwitch
        {...props}
        isSelected={value}
        onChange={onChange}
        className="switch"
        {...(hiddenLabel && { "aria-label": label })}
      >
        <span className="track" />
        {!hiddenLabel && label}
      </AriaSwitch>
      {hint !== undefined && <span className="hint">{hint}</span>}
    </div>
  );
}
