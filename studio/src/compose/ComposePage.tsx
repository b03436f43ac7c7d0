import { PageHeading } from "../ui/PageHeading";
import "./ComposePage.css";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";
import { useSearch } from "wouter";
import { modelsQuery, presetsQuery, stagesQuery } from "../api/queries";
import {
  asksTheSame,
  type Config,
  type Draft,
  STANDARD,
  withAllCards,
  withConfig,
  withEdited,
  withPreset,
} from "../draft/draft";
import { keepDraft } from "../draft/draftAddress";
import { Cost } from "../jobs/Cost";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { Problems } from "../ui/Problems";
import { Ask } from "./Ask";
import { ConfigText } from "./ConfigText";
import { DroppedPicture } from "./DroppedPicture";
import { modelOf, startsFrom } from "./models";
import { PaintBar } from "./PaintBar";
import { StageCards } from "./StageCards";
import { useCheck } from "./useCheck";
import { useDraft } from "./useDraft";
import { useFrom } from "./useFrom";
import { usePaint } from "./usePaint";

/** Type a prompt, choose how it is painted, send it. */
export function ComposePage() {
  const [draft, setDraft] = useDraft();
  const [notes, setNotes] = useState<readonly string[]>([]);
  const presets = useQuery(presetsQuery);
  const stages = useQuery(stagesQuery);
  const models = useQuery(modelsQuery);
  const check = useCheck(draft);
  const paint = usePaint();
  const [yaml, setYaml] = useYaml();

  const known = stages.data;
  const set = useCallback(
    (change: (draft: Draft) => Draft) =>
      setDraft((before) => {
        const after = change(before);
        return known === undefined ? after : withAllCards(after, known);
      }),
    [known, setDraft],
  );
  const take = useCallback(
    (taken: Draft, told: readonly string[]) => {
      set(() => taken);
      setNotes(told);
    },
    [set],
  );
  const fromError = useFrom(take);

  const standard = presets.data?.find(({ name }) => name === (draft.preset || STANDARD));
  const empty = draft.stages.length === 0;
  useEffect(() => {
    if (known === undefined) return;
    if (!empty) set((before) => before);
    else if (standard !== undefined) {
      set((before) => withPreset(before, standard.name, standard.config as unknown as Config));
    }
  }, [empty, standard, known, set]);

  // Fields come at once: one that came later would push the others away under a pointer.
  const isComing = [presets, stages, models].some(({ isPending }) => isPending);
  const isReady = !isComing && !(empty && known !== undefined && standard !== undefined);

  const send = () => {
    // A number that is being typed is handed on when its field is left.
    if (!paint.isPending) paint.mutate(draft);
  };
  const starts = startsFrom(models.data === undefined ? undefined : modelOf(draft, models.data));
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a shortcut for the button below
    <div
      className="compose"
      data-yaml={yaml || undefined}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        send();
      }}
    >
      <PageHeading title="Compose" isHidden />
      <div className="stack">
        <Problems error={fromError} title="That job cannot be begun from" />
        <Notes notes={notes} onClose={() => setNotes([])} />
        <Ask
          draft={draft}
          onChange={set}
          presets={presets.data ?? []}
          stages={known ?? []}
          models={models.data}
          check={check}
          isReady={isReady}
        />
      </div>
      <div className="stack-2">
        <div className="row spread">
          <h2>Stages</h2>
          <Button kind="quiet" aria-pressed={yaml} onPress={() => setYaml(!yaml)}>
            {yaml ? "Hide the YAML" : "As YAML"}
          </Button>
        </div>
        {check.others.length > 0 && draft.prompt !== "" && (
          <Problems error={new Error(check.others.join(" "))} title="The config does not hold" />
        )}
        {isReady && (
          <StageCards
            draft={draft}
            onChange={(next) => set(() => next)}
            stages={known ?? []}
            models={models.data}
            check={check}
          />
        )}
        <Problems error={presets.error ?? stages.error ?? models.error} />
      </div>
      {yaml && (
        <ConfigText
          draft={draft}
          onConfig={(config) => set((before) => withEdited(before, config))}
        />
      )}
      <PaintBar
        images={check.estimate?.images ?? 1}
        isPending={paint.isPending}
        // What was refused is told until it is changed.
        error={paint.variables && asksTheSame(draft, paint.variables) ? paint.error : null}
        onPaint={send}
        onGrid={() => keepDraft(draft)}
      >
        {check.holds === false && draft.prompt !== "" ? (
          <span className="small bad">
            <Icon name="warning" size={14} /> Something is to be mended: see the marked fields.
          </span>
        ) : (
          check.estimate !== null &&
          check.estimate.images !== 0 && <Cost estimate={check.estimate} />
        )}
      </PaintBar>
      <DroppedPicture
        starts={starts}
        onChange={set}
        onSettings={(config, told) => {
          set((before) => ({ ...withConfig(before, config), preset: "" }));
          setNotes(told);
        }}
      />
    </div>
  );
}

/** What could not be taken over of a file or a job. */
function Notes(props: { readonly notes: readonly string[]; readonly onClose: () => void }) {
  if (props.notes.length === 0) return null;
  return (
    <section className="card notes" aria-label="What was not taken over" role="status">
      <ul>
        {props.notes.map((note) => (
          <li key={note}>{note}</li>
        ))}
      </ul>
      <Button kind="quiet" aria-label="Close the notes" onPress={props.onClose}>
        <Icon name="close" size={16} />
      </Button>
    </section>
  );
}

/** Whether the YAML is shown: in the address, so that a reload shows the same. */
function useYaml() {
  const search = useSearch();
  const shown = new URLSearchParams(search).has("yaml");
  const show = (on: boolean) => {
    const url = new URL(location.href);
    if (on) url.searchParams.set("yaml", "");
    else url.searchParams.delete("yaml");
    history.replaceState(history.state, "", url);
  };
  return [shown, show] as const;
}
