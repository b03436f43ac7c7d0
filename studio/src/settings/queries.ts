import { queryOptions } from "@tanstack/react-query";
import { api, dataOf } from "../api/client";
import type { components } from "../api/schema";

type Schemas = components["schemas"];

export type SystemDocument = Schemas["SystemDocument"];
export type ChecksDocument = Schemas["ChecksDocument"];
export type CheckDocument = Schemas["CheckDocument"];
export type KeyDocument = Schemas["KeyDocument"];
export type NewKeyDocument = Schemas["NewKeyDocument"];
export type WebhookMessage = Schemas["WebhookMessage"];

/** Milliseconds between two looks at what changes by itself. */
const LOOK_AGAIN = 5_000;

export const systemQuery = queryOptions({
  queryKey: ["system"],
  queryFn: ({ signal }) => dataOf(api.GET("/v1/system", { signal })),
  refetchInterval: LOOK_AGAIN,
});

/** The checks of the server, made again where they are older than so many seconds. */
export function checksOf(maxAge?: number, signal?: AbortSignal): Promise<ChecksDocument> {
  const query = maxAge === undefined ? {} : { max_age: maxAge };
  return dataOf(api.GET("/v1/system/checks", { params: { query }, ...(signal && { signal }) }));
}

/** They take the server a while: made when the page is opened, and when somebody asks. */
export const checksQuery = queryOptions({
  queryKey: ["checks"],
  queryFn: ({ signal }) => checksOf(undefined, signal),
});

export const readyQuery = queryOptions({
  queryKey: ["ready"],
  queryFn: ({ signal }) => dataOf(api.GET("/readyz", { signal })),
  refetchInterval: LOOK_AGAIN,
  retry: false,
});

export const keysQuery = queryOptions({
  queryKey: ["keys"],
  queryFn: async ({ signal }) => (await dataOf(api.GET("/v1/keys", { signal }))).keys,
});

export function webhooksQuery(state: WebhookMessage["state"] | null) {
  return queryOptions({
    queryKey: ["webhooks", state],
    queryFn: async ({ signal }) => {
      const query = state === null ? {} : { state: [state] };
      return (await dataOf(api.GET("/v1/webhooks", { params: { query }, signal }))).webhooks;
    },
    refetchInterval: LOOK_AGAIN,
  });
}
