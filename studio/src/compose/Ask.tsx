import { useRef } from "react";
import type { ModelList, PresetDocument, StageDocument } from "../api/types";
import { type Draft, stepsOf, withParameter, withPreset } from "../draft/draft";
import { NumericField } from "../forms/NumericField";
import { Switch } from "../ui/fields";
import { Invitation } from "./Invitation";
import { ModelField } from "./ModelField";
import { modelNameOf, modelOf, PAINTER, sizeRules, startsFrom } from "./models";
import { Pictures } from "./Pictures";
import { PresetField } from "./PresetField";
import { LoraPicker } from "./prompt/LoraPicker";
import { PromptField } from "./prompt/PromptField";
import { Readings } from "./prompt/Readings";
import { useReading } from "./prompt/useReading";
import { SeedField } from "./SeedField";
import { SizeField } from "./SizeField";
import type { Check } from "./useCheck";

interface Props {
  readonly draft: Draft;
  readonly onChange: (change: (draft: Draft) => Draft) => void;
  readonly presets: readonly PresetDocument[];
  readonly stages: readonly StageDocument[];
  readonly models: ModelList | undefined;
  readonly check: Check;
  /** Whether all that the fields need has come: what is shown must not move any more. */
  readonly isReady: boolean;
}

const NOTHING = {};

/** What is asked for: the prompt, the model and preset, size, seed and pictures. */
export function Ask({ draft, onChange, presets, stages, models, check, isReady }: Props) {
  const area = useRef<HTMLTextAreaElement>(null);
  const negativeArea = useRef<HTMLTextAreaElement>(null);
  const set = (change: Partial<Draft>) => onChange((now) => ({ ...now, ...change }));

  const resolver = draft.stages.find(({ stage, off }) => stage === "prompt" && off !== true);
  const using = {
    model: models === undefined ? draft.model : modelNameOf(draft, models),
    seed: typeof draft.seed === "string" ? null : draft.seed,
    wildcards: resolver?.params["wildcards"],
  };
  const reading = useReading(draft.prompt, { ...using, kind: "prompt" });
  const negative = useReading(draft.negativePrompt, { ...using, kind: "negative" });

  const model = models === undefined ? undefined : modelOf(draft, models);
  const painter = draft.stages.find(({ stage, off }) => stage === PAINTER && off !== true);
  const steps = stepsOf(draft);
  const errors =
    (painter === undefined ? undefined : check.errors[steps.get(painter.id) ?? ""]) ?? NOTHING;
  const wrong = (name: string): string | undefined => check.errors[name]?.[""];
  const variants = reading.reading?.variants ?? 1;
  return (
    <section className="card stack ask" aria-label="What to paint">
      <PromptField
        label="Prompt"
        rows={4}
        placeholder="What shall it show?"
        value={draft.prompt}
        onChange={(prompt) => set({ prompt })}
        reading={reading.reading}
        error={reading.error}
        area={area}
        tools={
          models !== undefined && (
            <LoraPicker
              models={models}
              text={draft.prompt}
              reading={reading.reading}
              onChange={(prompt) => set({ prompt })}
              caret={() => area.current?.selectionEnd ?? draft.prompt.length}
            />
          )
        }
      >
        {draft.prompt === "" && isReady && models !== undefined && (
          <Invitation
            draft={draft}
            models={models}
            onChoose={(prompt) => {
              set({ prompt });
              area.current?.focus();
            }}
          />
        )}
        {reading.reading !== null && <Readings reading={reading.reading} />}
      </PromptField>
      {isReady && (
        <>
          <PromptField
            label="Negative prompt"
            rows={1}
            value={draft.negativePrompt}
            onChange={(negativePrompt) => set({ negativePrompt })}
            reading={negative.reading}
            error={negative.error}
            area={negativeArea}
          />
          <PresetField
            draft={draft}
            presets={presets}
            onChange={(name, config) => onChange((now) => withPreset(now, name, config))}
          />
          {models !== undefined && (
            <ModelField
              draft={draft}
              models={models}
              onChange={(chosen) => set({ model: chosen })}
              error={wrong("model")}
            />
          )}
          {painter !== undefined && (
            <SizeField
              width={painter.params["width"]}
              height={painter.params["height"]}
              rules={sizeRules(model)}
              onChange={(width, height) =>
                onChange((now) =>
                  withParameter(
                    withParameter(now, painter.id, "width", width),
                    painter.id,
                    "height",
                    height,
                  ),
                )
              }
              errors={errors}
            />
          )}
          <div className="pair wide-first">
            <SeedField seed={draft.seed} onChange={(seed) => set({ seed })} error={wrong("seed")} />
            <NumericField
              label="Images"
              value={draft.count}
              onChange={(count) =>
                set({ count: typeof count === "number" ? count : String(count ?? "") })
              }
              empty={undefined}
              placeholder="1"
              error={wrong("count")}
              minimum={1}
              maximum={10_000}
              step={1}
            />
          </div>
          {(variants > 1 || draft.variants) && (
            <Switch
              label="Every way to read the prompt"
              value={draft.variants}
              onChange={(on) => set({ variants: on })}
              hint={`${variants.toLocaleString()} ${variants === 1 ? "image" : "images"} in place of one`}
            />
          )}
          <Pictures
            draft={draft}
            onChange={onChange}
            stages={stages}
            starts={startsFrom(model)}
            errors={errors}
          />
        </>
      )}
    </section>
  );
}
