import { useEffect, useRef } from "react";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { CopyButton } from "./CopyButton";
import type { NewKeyDocument } from "./queries";

interface Props {
  readonly made: NewKeyDocument;
  readonly onDone: () => void;
}

/** A key that was just made: its text, this once. */
export function MadeKey({ made, onDone }: Props) {
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => head.current?.focus(), []);
  return (
    <section className="card stack made-key" aria-label="The new key">
      <h2 ref={head} tabIndex={-1}>
        The key of {made.name}
      </h2>
      <p className="row warn">
        <Icon name="warning" />
        Keep it now: it is shown this once, and nobody can tell it again.
      </p>
      <div className="row">
        <code className="secret">{made.key}</code>
        <CopyButton text={made.key} label="Copy the key" />
      </div>
      <div>
        <Button onPress={onDone}>I have kept it</Button>
      </div>
    </section>
  );
}
