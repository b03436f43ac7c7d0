import { useState } from "react";
import { Disclosure, DisclosurePanel, Heading } from "react-aria-components";
import type { ModelList, StageDocument } from "../api/types";
import {
  type Draft,
  type DraftStage,
  withErrorsOf,
  withMoved,
  withoutStage,
  withParameter,
  withStage,
} from "../draft/draft";
import { isChanged, StageForm } from "../forms/StageForm";
import { type FieldSpec, fieldsOf, labelOf, type Schema } from "../forms/schema";
import { Button } from "../ui/Button";
import { type Choice, Switch } from "../ui/fields";
import { Icon } from "../ui/Icon";
import { modelOf, ownValue, schedulersOf } from "./models";
import type { Check } from "./useCheck";

interface Props {
  readonly card: DraftStage;
  readonly number: number;
  /** Its name among the steps; null where it is off. */
  readonly step: string | null;
  readonly draft: Draft;
  readonly onChange: (draft: Draft) => void;
  readonly document: StageDocument | undefined;
  readonly models: ModelList | undefined;
  readonly check: Check;
  readonly isLast: boolean;
}

const NOTHING = {};

/** One stage: on or off, folded or with its form. */
export function StageCard(props: Props) {
  const { card, number, step, draft, onChange, document, check, isLast } = props;
  const [open, setOpen] = useState(false);
  const label = labelOf(step ?? card.stage);
  const errors = (step === null ? undefined : check.errors[step]) ?? NOTHING;
  const own = errors["" as keyof typeof errors] as string | undefined;
  const wrong = Object.keys(errors).length;
  const warnings = (step === null ? undefined : check.warnings[step]) ?? [];
  const changes = document === undefined ? 0 : changesOf(card, document);
  const unneeded =
    document?.optional === true || draft.stages.filter((o) => o.stage === card.stage).length > 1;
  return (
    <li className="card stage" data-off={card.off === true || undefined}>
      <Disclosure isExpanded={open} onExpandedChange={setOpen}>
        <div className="stage-head">
          <Switch
            label={`Run ${label}`}
            hiddenLabel
            value={card.off !== true}
            onChange={(on) => onChange(withStage(draft, card.id, on))}
          />
          <Heading level={3} className="stage-name">
            <Button slot="trigger" kind="quiet">
              <span className="stage-number">{number}</span>
              {label}
              <Icon name="chevron" size={16} />
            </Button>
          </Heading>
          <span className="stage-marks">
            {card.off === true && <span className="muted small">off</span>}
            {changes > 0 && <span className="small changed">{changes} changed</span>}
            {warnings.length > 0 && <span className="small warn">{notes(warnings.length)}</span>}
            {wrong > 0 && (
              <span className="small bad">
                <Icon name="warning" size={14} /> {wrong === 1 ? "1 problem" : `${wrong} problems`}
              </span>
            )}
          </span>
        </div>
        <p className="muted small stage-summary">
          {document?.summary ?? "No stage of this name is here. Turn it off or take it out."}
        </p>
        {own !== undefined && <p className="field-error">{own}</p>}
        {warnings.map((warning) => (
          <p key={warning} className="small warn">
            {warning}
          </p>
        ))}
        <DisclosurePanel>
          <div className="stack stage-body">
            {open && document !== undefined && (
              <Form {...props} document={document} errors={errors} />
            )}
            <div className="row spread">
              <Switch
                label="Go on without it where it fails"
                value={card.on_error === "skip"}
                onChange={(skip) => onChange(withErrorsOf(draft, card.id, skip ? "skip" : "stop"))}
              />
              <span className="row">
                <Button
                  kind="quiet"
                  aria-label={`Move ${label} up`}
                  isDisabled={number === 1}
                  onPress={() => onChange(withMoved(draft, card.id, -1))}
                >
                  <Icon name="up" size={16} />
                </Button>
                <Button
                  kind="quiet"
                  aria-label={`Move ${label} down`}
                  isDisabled={isLast}
                  onPress={() => onChange(withMoved(draft, card.id, 1))}
                >
                  <Icon name="down" size={16} />
                </Button>
                {unneeded && (
                  <Button
                    kind="quiet"
                    aria-label={`Take out ${label}`}
                    onPress={() => onChange(withoutStage(draft, card.id))}
                  >
                    <Icon name="trash" size={16} />
                  </Button>
                )}
              </span>
            </div>
          </div>
        </DisclosurePanel>
      </Disclosure>
    </li>
  );
}

function Form({
  card,
  draft,
  onChange,
  document,
  models,
  errors,
}: Props & {
  readonly document: StageDocument;
  readonly errors: Readonly<Record<string, string>>;
}) {
  const own = card.params["model"];
  const named = typeof own === "string" && own !== "" ? { ...draft, model: own } : draft;
  const model = models === undefined ? undefined : modelOf(named, models);
  const choices = (field: FieldSpec): readonly Choice[] | undefined => {
    if (models === undefined || field.name !== "scheduler") return undefined;
    return schedulersOf(model, models);
  };
  return (
    <StageForm
      stage={document}
      params={card.params}
      base={card.base ?? NOTHING}
      onChange={(name, value) => onChange(withParameter(draft, card.id, name, value))}
      errors={errors}
      choices={choices}
      placeholder={(field) => ownValue(model, field.name)}
    />
  );
}

function changesOf(card: DraftStage, document: StageDocument): number {
  return fieldsOf(document.params as Schema).filter((field) =>
    isChanged(field, card.params, card.base ?? {}),
  ).length;
}

function notes(count: number): string {
  return count === 1 ? "1 note" : `${count} notes`;
}
