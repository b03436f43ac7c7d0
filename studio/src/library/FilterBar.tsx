import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { modelsQuery } from "../api/queries";
import { Button } from "../ui/Button";
import { Checks } from "../ui/Checks";
import { ComboField, Switch, TextField } from "../ui/fields";
import { Icon } from "../ui/Icon";
import { DayField } from "./DayField";
import { type Filters, isFiltered, problemsOf, STATUSES } from "./filters";

interface Props {
  readonly filters: Filters;
  readonly onChange: (filters: Partial<Filters>) => void;
  readonly onClear: () => void;
}

/** Milliseconds without a key stroke, after which is searched. */
const SETTLED = 250;
const CHOICES = STATUSES.map((id) => ({ id, label: id }));
type Texts = Pick<Filters, "text" | "model" | "lora" | "seed">;

/** What is searched: words first, the rest unfolded. */
export function FilterBar({ filters, onChange, onClear }: Props) {
  const models = useQuery(modelsQuery);
  const [texts, setTexts] = useTexts(filters, onChange);
  const [isOpen, setOpen] = useState(() => needsMore(filters));
  const wrong = problemsOf({ ...filters, ...texts });
  const type = (change: Partial<Texts>) => setTexts((before) => ({ ...before, ...change }));
  return (
    <search className="filters">
      <div className="filters-first">
        <TextField
          label="Search prompts"
          type="search"
          value={texts.text}
          onChange={(text) => type({ text })}
        />
        <Switch
          label="Favourites"
          value={filters.favourite}
          onChange={(favourite) => onChange({ favourite })}
        />
        <Button aria-expanded={isOpen} onPress={() => setOpen(!isOpen)}>
          <Icon name="search" size={16} />
          {isOpen ? "Fewer filters" : "More filters"}
        </Button>
        {isFiltered(filters) && (
          <Button kind="quiet" onPress={onClear}>
            Clear
          </Button>
        )}
      </div>
      {isOpen && (
        <div className="filters-more">
          <ComboField
            label="Model"
            free
            value={texts.model}
            onChange={(model) => type({ model })}
            choices={(models.data?.data ?? []).map(({ id }) => ({ id, label: id }))}
          />
          <ComboField
            label="LoRA"
            free
            value={texts.lora}
            onChange={(lora) => type({ lora })}
            choices={(models.data?.loras ?? []).map((id) => ({ id, label: id }))}
          />
          <TextField
            label="Seed"
            value={texts.seed}
            error={wrong.seed}
            onChange={(seed) => type({ seed })}
          />
          <DayField label="From" value={filters.from} onChange={(from) => onChange({ from })} />
          <DayField
            label="To"
            value={filters.to}
            error={wrong.to}
            onChange={(to) => onChange({ to })}
          />
          <Checks
            label="Status"
            value={filters.statuses}
            onChange={(found) =>
              onChange({ statuses: STATUSES.filter((status) => found.includes(status)) })
            }
            choices={CHOICES}
          />
        </div>
      )}
      {(filters.group !== "" || filters.parent !== "") && (
        <ul className="row">
          {filters.group !== "" && (
            <li>
              <Button onPress={() => onChange({ group: "" })}>
                Only group {filters.group}
                <Icon name="close" size={14} />
              </Button>
            </li>
          )}
          {filters.parent !== "" && (
            <li>
              <Button onPress={() => onChange({ parent: "" })}>
                Only reruns of {filters.parent}
                <Icon name="close" size={14} />
              </Button>
            </li>
          )}
        </ul>
      )}
    </search>
  );
}

function needsMore({ model, lora, seed, from, to, statuses }: Filters): boolean {
  return [model, lora, seed, from, to].some((text) => text !== "") || statuses.length > 0;
}

/** What is typed, which the address holds once no key was pressed for a while. */
function useTexts(filters: Filters, onChange: Props["onChange"]) {
  const { text, model, lora, seed } = filters;
  const [texts, setTexts] = useState<Texts>({ text, model, lora, seed });
  // The address changed by itself: by going back, or by a link.
  useEffect(() => setTexts({ text, model, lora, seed }), [text, model, lora, seed]);
  const isSame =
    texts.text === text && texts.model === model && texts.lora === lora && texts.seed === seed;
  useEffect(() => {
    if (isSame) return;
    const timer = setTimeout(() => onChange(texts), SETTLED);
    return () => clearTimeout(timer);
  }, [texts, isSame, onChange]);
  return [texts, setTexts] as const;
}
