import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { toJson } from "../api/json";
import { presetsQuery, stagesQuery } from "../api/queries";
import { useSession } from "../session/session";
import { mapped, recognised, type Targets, targetsOf } from "./columns";
import type { Batch } from "./kept";
import { chunksOf, inputOf } from "./requests";
import { sharedOf } from "./shared";
import { readTable, type Table } from "./table";

const NOTHING: Table = { kind: "", columns: [], rows: [] };
/** Bytes of a request that are neither of its inputs nor of its pipeline. */
const AROUND = 4096;
/** Inputs that the server looks through, each, in one request. */
const CHECKED = 100;

/** What a batch stands for: its table, what columns set, and the requests it becomes. */
export function useRows(batch: Batch) {
  const { text, reading, chosen, preset, count } = batch;
  const stages = useQuery(stagesQuery);
  const presets = useQuery(presetsQuery);
  const limits = useSession()?.limits;
  const shared = useMemo(() => sharedOf(preset, presets.data ?? []), [preset, presets.data]);
  const targets = useMemo<Targets>(
    () => targetsOf(stages.data?.filter(({ name }) => shared.stages?.includes(name)) ?? []),
    [stages.data, shared],
  );
  const table = useMemo(
    () =>
      text.trim() === ""
        ? NOTHING
        : readTable(text, reading, (name) => recognised(name, targets) !== ""),
    [text, reading, targets],
  );
  const mapping = useMemo(
    () => mapped(table.columns, chosen, targets),
    [table.columns, chosen, targets],
  );
  const chunks = useMemo(() => {
    const inputs = table.rows.map((row) => ({
      ...shared.input,
      ...inputOf(row, mapping, targets),
    }));
    const most = Math.max(1, Math.floor((limits?.max_group ?? 100) / count));
    const around = AROUND + new TextEncoder().encode(toJson(shared.recipe)).length;
    const bytes = (limits?.max_body ?? 2 ** 20) - around;
    return {
      check: chunksOf(inputs, Math.min(most, CHECKED), bytes),
      run: chunksOf(inputs, most, bytes),
    };
  }, [table.rows, mapping, targets, limits, count, shared]);
  const bodies = useMemo(() => {
    const bodyOf = ({ inputs }: { readonly inputs: unknown }) =>
      toJson({ ...shared.recipe, ...(shared.variants && { variants: true }), count, inputs });
    return { check: chunks.check.map(bodyOf), run: chunks.run.map(bodyOf) };
  }, [chunks, shared, count]);
  return {
    table,
    mapping,
    targets,
    chunks,
    bodies,
    presets: presets.data ?? [],
    isReady: stages.data !== undefined && shared.stages !== undefined,
    error: stages.error ?? presets.error,
  };
}
