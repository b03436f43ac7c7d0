import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { api, dataOf } from "../api/client";
import { parseJson, toJson } from "../api/json";
import { ApiProblem } from "../api/problem";
import type { ConfigRequest } from "../api/types";
import { type Config, configOf, type Draft } from "../draft/draft";
import { TextField } from "../ui/fields";
import { Problems } from "../ui/Problems";
import { useSettled } from "../ui/useSettled";

interface Props {
  readonly draft: Draft;
  /** Takes a config over that was edited as text and holds. */
  readonly onConfig: (config: Config) => void;
}

const SETTLED = 400;
const KEPT = "ninefold.config-text";

/** The whole config as YAML: it follows the cards, and they follow it.
 *
 * The server reads and writes it. What is typed stays as it is while it does not hold, over a
 * reload, too; the cards show the last that held.
 */
export function ConfigText({ draft, onConfig }: Props) {
  const [typed, setTyped] = useState<string | null>(() => sessionStorage.getItem(KEPT));
  const settled = useSettled(typed, SETTLED);
  const written = useWritten(draft);
  const newest = useRef<string | null>(null);
  const read = useMutation({
    mutationFn: (text: string) => dataOf(api.POST("/v1/config/validate", { body: { text } })),
    onSuccess: (found, text) => {
      // An answer to what has been typed over meanwhile comes too late.
      if (text === newest.current) onConfig(found.config as unknown as Config);
    },
  });
  const { mutate, reset } = read;
  useEffect(() => {
    newest.current = settled;
    if (settled === null) reset();
    else mutate(settled);
  }, [settled, mutate, reset]);
  useEffect(() => {
    if (typed === null) sessionStorage.removeItem(KEPT);
    else sessionStorage.setItem(KEPT, typed);
  }, [typed]);

  const holds = read.isSuccess && typed === settled;
  const wrong = read.error instanceof ApiProblem && !read.error.away;
  return (
    <section className="card stack config-text" aria-label="Config as YAML">
      <TextField
        label="Config (YAML)"
        hint={
          written.error === null || typed !== null
            ? "What the command line takes, too: ninefold run --config FILE"
            : "The last config that held: something in the cards is to be mended first."
        }
        rows={24}
        value={typed ?? written.text}
        onChange={setTyped}
        onBlur={() => holds && setTyped(null)}
      />
      {typed !== null && (
        <Problems error={read.error} title="This text is kept, and not used yet" />
      )}
      {typed !== null && wrong && (
        <button type="button" className="link small" onClick={() => setTyped(null)}>
          Give it up, and show the last that held
        </button>
      )}
    </section>
  );
}

/** The draft's config as YAML; the last that held where it does not. */
function useWritten(draft: Draft): { readonly text: string; readonly error: unknown } {
  const body = draft.stages.length === 0 ? null : toJson({ config: configOf(draft) });
  const asked = useSettled(body, SETTLED);
  const last = useRef("");
  const { data, error } = useQuery({
    queryKey: ["config", asked],
    queryFn: ({ signal }) =>
      dataOf(
        api.POST("/v1/config/validate", { body: parseJson(asked ?? "") as ConfigRequest, signal }),
      ),
    placeholderData: keepPreviousData,
    enabled: asked !== null,
    staleTime: 60_000,
    gcTime: 30_000,
  });
  useEffect(() => {
    if (data !== undefined) last.current = data.text;
  }, [data]);
  return { text: data?.text ?? last.current, error };
}
