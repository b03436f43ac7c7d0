import type { Json } from "../api/json";
import type { StageDocument } from "../api/types";
import { controlImagesOf, type Draft, type Source, withParameter } from "../draft/draft";
import { SchemaField } from "../forms/SchemaField";
import { fieldsOf, type Schema } from "../forms/schema";
import { PAINTER } from "./models";
import { PictureSlot } from "./PictureSlot";
import { keyOf } from "./sources";

interface Props {
  readonly draft: Draft;
  readonly onChange: (change: (draft: Draft) => Draft) => void;
  readonly stages: readonly StageDocument[];
  /** What the model starts from beside a prompt. */
  readonly starts: ReadonlySet<string>;
  readonly errors: Readonly<Record<string, string>>;
}

/** Pictures to start from: a source with its strength and mask, and references. */
export function Pictures({ draft, onChange, stages, starts, errors }: Props) {
  const painter = draft.stages.find(({ stage, off }) => stage === PAINTER && off !== true);
  const document = stages.find(({ name }) => name === PAINTER);
  const strength =
    document === undefined
      ? undefined
      : fieldsOf(document.params as Schema).find(({ name }) => name === "strength");
  const takesReferences = starts.has("edit") || draft.references.length > 0;
  return (
    <section className="stack-2" aria-label="Pictures to start from">
      <PictureSlot
        label="Source picture"
        hint={
          starts.has("image")
            ? "Drop, paste or choose one to start from"
            : "This model starts from prompts alone"
        }
        kind="image"
        value={draft.image}
        onChange={(image) => onChange((now) => ({ ...now, image }))}
      />
      {draft.image !== null && strength !== undefined && painter !== undefined && (
        <SchemaField
          field={strength}
          value={painter.params["strength"]}
          onChange={(value: Json | undefined) =>
            onChange((now) => withParameter(now, painter.id, "strength", value))
          }
          error={errors["strength"]}
        />
      )}
      {(draft.image !== null || draft.mask !== null) && (
        <PictureSlot
          label="Mask"
          hint="White is painted, black stays"
          kind="mask"
          value={draft.mask}
          onChange={(mask) => onChange((now) => ({ ...now, mask }))}
        />
      )}
      {takesReferences &&
        draft.references.map((source, index) => (
          <PictureSlot
            key={keyOf(source)}
            label={`Reference ${index + 1}`}
            hint=""
            kind="image"
            value={source}
            onChange={() =>
              onChange((now) => ({
                ...now,
                references: now.references.filter(
                  (reference) => keyOf(reference) !== keyOf(source),
                ),
              }))
            }
          />
        ))}
      {takesReferences && draft.references.length < MOST && (
        <PictureSlot
          label={draft.references.length === 0 ? "Reference" : "One more reference"}
          hint="A picture that the prompt speaks of"
          kind="image"
          value={null}
          onChange={(source) => source !== null && onChange((now) => withReference(now, source))}
        />
      )}
      {controlImagesOf(draft).map(([name, source]) => (
        <PictureSlot
          key={name}
          label={`Control picture ${name.length > 20 ? `${name.slice(0, 8)}…` : name}`}
          hint="Stages name it in “control”"
          kind="image"
          value={source}
          onChange={(changed) => onChange((now) => withControlImage(now, name, changed))}
        />
      ))}
    </section>
  );
}

/** The draft with a picture that `control` names, or without it. */
function withControlImage(draft: Draft, name: string, source: Source | null): Draft {
  const { [name]: _, ...others } = draft.controlImages;
  return {
    ...draft,
    controlImages: source === null ? others : { ...draft.controlImages, [name]: source },
  };
}

/** Most references of a job. */
const MOST = 16;

/** The draft with one more reference; the same picture counts once. */
export function withReference(draft: Draft, source: Source): Draft {
  if (draft.references.some((reference) => keyOf(reference) === keyOf(source))) return draft;
  return { ...draft, references: [...draft.references, source].slice(0, MOST) };
}
