import { TextField as AriaTextField, Button, Group, Input, Label } from "react-aria-components";
import type { Json } from "../api/json";
import { Below, type FieldProps } from "../ui/fields";
import { numbers } from "./notations";
import { useTyped } from "./useTyped";

interface Props extends FieldProps<Json | undefined> {
  /** What an empty field hands on. */
  readonly empty: null | undefined;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  /** How far the arrows and buttons go. */
  readonly step: number;
  /** What holds while it is empty. */
  readonly placeholder?: string | undefined;
  /** Further buttons behind it. */
  readonly children?: React.ReactNode;
}

/** A number, handed on with every key stroke; integers keep every digit. Nothing that is typed is
 * rounded or moved into a range: what is no number is handed on as the text that it is. */
export function NumericField({
  label,
  hint,
  error,
  value,
  onChange,
  empty,
  minimum,
  maximum,
  step,
  placeholder = "",
  children,
  ...props
}: Props) {
  const [text, onType] = useTyped(value, onChange, numbers(empty));
  const go = (direction: 1 | -1) =>
    onChange(moved(value ?? Number(placeholder), direction * step, minimum, maximum));
  const arrows = { ArrowUp: 1, ArrowDown: -1 } as const;
  return (
    <AriaTextField
      {...props}
      className="field"
      value={text}
      onChange={onType}
      isInvalid={error !== undefined}
      inputMode={step % 1 === 0 ? "numeric" : "decimal"}
      autoComplete="off"
    >
      <Label>{label}</Label>
      <Group className="number">
        <Input
          placeholder={placeholder}
          onKeyDown={(event) => {
            const direction = arrows[event.key as keyof typeof arrows];
            if (direction === undefined) return;
            event.preventDefault();
            go(direction);
          }}
        />
        <Button aria-label={`Decrease ${label}`} excludeFromTabOrder onPress={() => go(-1)}>
          −
        </Button>
        <Button aria-label={`Increase ${label}`} excludeFromTabOrder onPress={() => go(1)}>
          +
        </Button>
        {children}
      </Group>
      <Below hint={hint} error={error} />
    </AriaTextField>
  );
}

/** A step on from a value, within the range; from nothing at the range's begin. */
export function moved(
  value: Json,
  by: number,
  minimum: number | undefined,
  maximum: number | undefined,
): Json {
  if (typeof value === "bigint") return value + BigInt(Math.trunc(by));
  const start = typeof value === "number" && Number.isFinite(value) ? value : (minimum ?? 0) - by;
  const digits = Math.max(decimals(start), decimals(by));
  const next = Number((start + by).toFixed(digits));
  return Math.min(maximum ?? next, Math.max(minimum ?? next, next));
}

function decimals(value: number): number {
  return Math.min(String(value).split(".")[1]?.length ?? 0, 10);
}

/** How far the arrows go in a range: a hundredth and more of it, a round number. */
export function stepOf(integer: boolean, maximum: number | undefined): number {
  if (integer) return 1;
  if (maximum === undefined || maximum > 10) return 0.5;
  return maximum > 2 ? 0.1 : 0.05;
}
