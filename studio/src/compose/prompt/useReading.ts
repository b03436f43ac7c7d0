import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, dataOf } from "../../api/client";
import { type Integer, type Json, parseJson, toJson } from "../../api/json";
import type { PromptDocument, PromptRequest } from "../../api/types";
import { useSettled } from "../../ui/useSettled";
import { follow } from "./marks";

/** What a prompt is read with. */
export interface ReadWith {
  readonly kind: "prompt" | "negative";
  readonly model: string | null;
  readonly seed: Integer | null;
  /** As the stage `prompt` has them. */
  readonly wildcards: Json | undefined;
}

/** Milliseconds without a key stroke, after which a prompt is read. */
const SETTLED = 250;

/** How the server's parser reads a text; until it has read the newest, its last reading with the
 * places moved along. */
export function useReading(
  text: string,
  { wildcards, seed, ...using }: ReadWith,
): { readonly reading: PromptDocument | null; readonly error: unknown } {
  const body = {
    prompt: text,
    ...using,
    ...(seed !== null && { seed }),
    ...(isObject(wildcards) && { wildcards }),
  };
  const asked = useSettled(toJson(body), SETTLED);
  const { data, error } = useQuery({
    queryKey: ["prompt", asked],
    queryFn: async ({ signal }) => {
      const sent = parseJson(asked) as PromptRequest;
      const document = await dataOf(api.POST("/v1/prompts/parse", { body: sent, signal }));
      return { text: sent.prompt, document };
    },
    placeholderData: keepPreviousData,
    enabled: text !== "",
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 30_000,
  });
  const reading = useMemo(() => {
    if (data === undefined || text === "") return null;
    const { document, text: before } = data;
    return {
      ...document,
      spans: [...follow(document.spans, before, text)],
      problems: [...follow(document.problems, before, text)],
      warnings: [...follow(document.warnings, before, text)],
    };
  }, [data, text]);
  return { reading, error: text === "" ? null : error };
}

function isObject(value: Json | undefined): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
