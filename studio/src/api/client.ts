import createClient, { type Middleware } from "openapi-fetch";
import { parseJson, toJson } from "./json";
import { ApiProblem, awayProblem, problemOf } from "./problem";
import { answered } from "./requestKey";
import type { paths } from "./schema";

/** What proves to the server that a change comes from this page; set at sign-in. */
let csrfToken: string | null = null;

/** Send this token with every change from now on. */
export function setCsrfToken(token: string | null): void {
  csrfToken = token;
}

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);

const changes: Middleware = {
  onRequest({ request }) {
    if (csrfToken !== null && !SAFE.has(request.method)) {
      request.headers.set("X-CSRF-Token", csrfToken);
    }
    return request;
  },
};

/** The public API. Whatever is refused is thrown, as an `ApiProblem`. */
export const api = createClient<paths>({
  baseUrl: globalThis.location?.origin ?? "http://localhost",
  fetch: send,
  bodySerializer: (body) => ((body as unknown) instanceof FormData ? body : toJson(body)),
});
api.use(changes);

async function send(request: Request): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(request);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw awayProblem();
  }
  const key = request.headers.get("Idempotency-Key");
  // Behind a proxy, such an answer may be of the proxy alone.
  if (key !== null && response.status < 500) answered(key);
  if (!response.ok) throw problemOf(response, await jsonOf(response));
  return withExactNumbers(response);
}

/** The response, whose `json()` keeps every digit of an integer. */
function withExactNumbers(response: Response): Response {
  const read = response.text.bind(response);
  Object.defineProperty(response, "json", { value: async () => parseJson(await read()) });
  return response;
}

async function jsonOf(response: Response): Promise<unknown> {
  try {
    return parseJson(await response.text());
  } catch {
    return null;
  }
}

/** The data of an answer, which is there: whatever is refused was thrown. */
export async function dataOf<T>(answer: Promise<{ data?: T }>): Promise<T> {
  const { data } = await answer;
  if (data === undefined) throw new ApiProblem(502, "The server answered nothing.");
  return data;
}

/** Whether the server would send a file, of which nothing is read; what it refuses is thrown. */
export async function assertServed(url: string): Promise<void> {
  const enough = new AbortController();
  await send(new Request(new URL(url, location.href), { signal: enough.signal }));
  enough.abort();
}

/** A file of this server, whole. Whatever is refused is thrown, as an `ApiProblem`. */
export async function fileOf(
  url: string,
  signal?: AbortSignal,
  cache: RequestCache = "default",
): Promise<Blob> {
  const options = signal === undefined ? { cache } : { cache, signal };
  const request = new Request(new URL(url, location.href), options);
  return (await send(request)).blob();
}
