import { useState } from "react";
import { Dialog, DialogTrigger, Popover } from "react-aria-components";
import type { ModelList, PromptDocument } from "../../api/types";
import { NumericField } from "../../forms/NumericField";
import { Button } from "../../ui/Button";
import { TextField } from "../../ui/fields";
import { Icon } from "../../ui/Icon";
import { loraTags, withoutTag, withTag, withWeight } from "./loraTags";

interface Props {
  readonly models: ModelList;
  readonly text: string;
  readonly reading: PromptDocument | null;
  readonly onChange: (text: string) => void;
  /** Where a new tag goes. */
  readonly caret: () => number;
}

/** Puts LoRA tags into a prompt, and changes those that are in it. */
export function LoraPicker({ models, text, reading, onChange, caret }: Props) {
  const [search, setSearch] = useState("");
  const tags = loraTags(reading);
  const found = models.loras.filter((name) => name.toLowerCase().includes(search.toLowerCase()));
  return (
    <DialogTrigger>
      <Button kind="quiet">
        <Icon name="plus" size={16} /> LoRA
      </Button>
      <Popover className="popover" placement="bottom end">
        <Dialog className="lora-picker stack" aria-label="LoRAs">
          {tags.length > 0 && (
            <ul className="lora-tags" aria-label="In the prompt">
              {tags.map((tag) => (
                <li key={tag.start} className="row">
                  <NumericField
                    label={tag.name}
                    value={tag.weight}
                    onChange={(weight) =>
                      typeof weight === "number" && onChange(withWeight(text, tag, weight))
                    }
                    empty={undefined}
                    step={0.1}
                    error={tag.known === false ? "Not here, or made for another model." : undefined}
                  >
                    <Button
                      aria-label={`Take out ${tag.name}`}
                      onPress={() => onChange(withoutTag(text, tag))}
                    >
                      <Icon name="close" size={16} />
                    </Button>
                  </NumericField>
                </li>
              ))}
            </ul>
          )}
          {models.loras.length === 0 ? (
            <p className="hint">
              There is no LoRA here. Files in the models folder of the server are found by
              themselves.
            </p>
          ) : (
            <>
              <TextField label="Find a LoRA" type="search" value={search} onChange={setSearch} />
              <ul className="lora-list" aria-label="LoRAs to put in">
                {found.slice(0, MOST).map((name) => (
                  <li key={name}>
                    <Button kind="quiet" onPress={() => onChange(withTag(text, name, 1, caret()))}>
                      <Icon name="plus" size={16} />
                      <span className="lora-name">
                        {name}
                        <span className="hint">{detailOf(models, name)}</span>
                      </span>
                    </Button>
                    <Triggers
                      models={models}
                      name={name}
                      onAdd={(word) => onChange(`${text}, ${word}`)}
                    />
                  </li>
                ))}
                {found.length > MOST && (
                  <li className="hint">… and {found.length - MOST} more: type more of the name.</li>
                )}
                {found.length === 0 && <li className="hint">No name has that in it.</li>}
              </ul>
            </>
          )}
        </Dialog>
      </Popover>
    </DialogTrigger>
  );
}

/** Most that is listed at once. */
const MOST = 50;

/** Words that a LoRA was trained with, to be added to the prompt. */
function Triggers(props: {
  readonly models: ModelList;
  readonly name: string;
  readonly onAdd: (word: string) => void;
}) {
  const words = factsOf(props.models, props.name)?.["triggers"];
  if (!Array.isArray(words)) return null;
  return (
    <div className="row">
      {words.slice(0, 6).map((word) => (
        <button
          key={String(word)}
          type="button"
          className="chip"
          onClick={() => props.onAdd(String(word))}
        >
          {String(word)}
        </button>
      ))}
    </div>
  );
}

function factsOf(models: ModelList, name: string): Record<string, unknown> | undefined {
  return (models.details ?? []).find(({ id, kind }) => id === name && kind === "lora");
}

function detailOf(models: ModelList, name: string): string {
  const facts = factsOf(models, name);
  return [facts?.["title"], facts?.["family"]].filter((fact) => fact && fact !== name).join(" · ");
}
