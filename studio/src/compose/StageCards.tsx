import "./StageCards.css";
import { useState } from "react";
import type { ModelList, StageDocument } from "../api/types";
import { type Draft, stepsOf, withAdded } from "../draft/draft";
import { labelOf } from "../forms/schema";
import { SelectField } from "../ui/fields";
import { StageCard } from "./StageCard";
import type { Check } from "./useCheck";

interface Props {
  readonly draft: Draft;
  readonly onChange: (draft: Draft) => void;
  readonly stages: readonly StageDocument[];
  readonly models: ModelList | undefined;
  readonly check: Check;
}

/** The stages in their order, each with its parameters, on or off. */
export function StageCards({ draft, onChange, stages, models, check }: Props) {
  const steps = stepsOf(draft);
  return (
    <div className="stack-2">
      <ol className="stages" aria-label="Stages">
        {draft.stages.map((card, index) => (
          <StageCard
            key={card.id}
            card={card}
            number={index + 1}
            step={steps.get(card.id) ?? null}
            draft={draft}
            onChange={onChange}
            document={stages.find(({ name }) => name === card.stage)}
            models={models}
            check={check}
            isLast={index === draft.stages.length - 1}
          />
        ))}
      </ol>
      <AddStage draft={draft} onChange={onChange} stages={stages} />
    </div>
  );
}

/** Adds a stage where it belongs: behind the last of its name, optional ones before the files are
 * written. */
function AddStage({ draft, onChange, stages }: Pick<Props, "draft" | "onChange" | "stages">) {
  const [added, setAdded] = useState("");
  return (
    <div className="add-stage">
      <SelectField
        label="Add a stage"
        placeholder="Another, or one that is optional"
        value=""
        onChange={(name) => {
          onChange(withAdded(draft, name, placeFor(draft, name)));
          setAdded(`${labelOf(name)} is added.`);
        }}
        choices={stages.map(({ name, summary }) => ({
          id: name,
          label: labelOf(name),
          detail: summary,
        }))}
      />
      <p className="hidden" role="status">
        {added}
      </p>
    </div>
  );
}

/** The card behind which a stage goes. */
function placeFor(draft: Draft, name: string): number | null {
  const same = draft.stages.findLast(({ stage }) => stage === name);
  if (same !== undefined) return same.id;
  const publisher = draft.stages.findIndex(({ stage }) => stage === "publisher");
  return draft.stages[publisher - 1]?.id ?? null;
}
