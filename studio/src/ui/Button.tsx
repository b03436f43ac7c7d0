import "./Button.css";
import { Button as AriaButton, type ButtonProps } from "react-aria-components";

interface Props extends Omit<ButtonProps, "className"> {
  /** `primary` is the one thing that a place is for, once; `quiet` has no frame. */
  readonly kind?: "primary" | "plain" | "quiet" | "danger";
}

/** A button. While it is pending it keeps the focus, and a press does nothing.
 *
 * react-aria's own pending state is not used: it announces by the id of a button that may be gone
 * by then.
 */
export function Button({ kind = "plain", isPending = false, onPress, type, ...props }: Props) {
  return (
    <AriaButton
      {...props}
      {...(isPending ? {} : onPress !== undefined && { onPress })}
      type={isPending ? "button" : (type ?? "button")}
      aria-busy={isPending || undefined}
      className={`button ${kind}`}
    />
  );
}
