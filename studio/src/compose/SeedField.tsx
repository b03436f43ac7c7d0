import type { Json } from "../api/json";
import { randomSeed } from "../api/seeds";
import type { Draft } from "../draft/draft";
import { NumericField } from "../forms/NumericField";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";

interface Props {
  readonly seed: Draft["seed"];
  readonly onChange: (seed: Draft["seed"]) => void;
  readonly error: string | undefined;
}

/** The seed: random while it is empty; the dice fix one, to paint the same again. */
export function SeedField({ seed, onChange, error }: Props) {
  return (
    <NumericField
      label="Seed"
      value={seed}
      onChange={(found) => onChange(seedOf(found))}
      empty={null}
      minimum={0}
      step={1}
      placeholder="Random"
      error={error}
    >
      <Button aria-label="Roll a seed and use this one" onPress={() => onChange(randomSeed())}>
        <Icon name="dice" size={18} />
      </Button>
      <Button
        aria-label="A random seed each time"
        isDisabled={seed === null}
        onPress={() => onChange(null)}
      >
        <Icon name="close" size={16} />
      </Button>
    </NumericField>
  );
}

function seedOf(found: Json | undefined): Draft["seed"] {
  const isSeed =
    typeof found === "number" || typeof found === "bigint" || typeof found === "string";
  return isSeed ? found : null;
}
