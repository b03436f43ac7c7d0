import { useState } from "react";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";

/** Copies a text. Where the browser refuses, as it does over plain HTTP, it says so. */
export function CopyButton({ text, label }: { readonly text: string; readonly label: string }) {
  const [told, setTold] = useState<"" | "Copied" | "Select the text and copy it by hand">("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setTold("Copied");
    } catch {
      setTold("Select the text and copy it by hand");
    }
  };
  return (
    <>
      <Button onPress={() => void copy()}>
        {told === "Copied" && <Icon name="check" size={16} />}
        {label}
      </Button>
      <span role="status" className="small muted">
        {told}
      </span>
    </>
  );
}
