import { Disclosure, DisclosurePanel } from "react-aria-components";
import type { PromptDocument } from "../../api/types";
import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import { countWays } from "./describe";

/** In how many ways a prompt can be read, and what a few seeds make of it. */
export function Readings({ reading }: { readonly reading: PromptDocument }) {
  const plain = reading.spans.length === 0;
  if (plain || reading.examples.length === 0) return null;
  return (
    <Disclosure className="readings">
      <Button slot="trigger" kind="quiet">
        <Icon name="chevron" size={16} />
        {countWays(reading.variants)}: examples
      </Button>
      <DisclosurePanel>
        <ul>
          {reading.examples.map(({ seed, prompt, loras }) => (
            <li key={String(seed)}>
              {prompt}
              <p className="hint">
                {[
                  `seed ${seed}`,
                  ...loras.map(({ name, weight }) => `LoRA ${name} at ${weight}`),
                ].join(" · ")}
              </p>
            </li>
          ))}
        </ul>
      </DisclosurePanel>
    </Disclosure>
  );
}
