import type { components } from "./schema";

type FieldError = components["schemas"]["FieldError"];
type ProblemDocument = components["schemas"]["Problem"];

/** What a server refused, in its words; or that it could not be reached. */
export class ApiProblem extends Error {
  override name = "ApiProblem";

  constructor(
    /** HTTP's status; 0 where no answer came. */
    readonly status: number,
    message: string,
    /** What is wrong, one each: at a field, or of the whole. */
    readonly problems: readonly string[] = [],
    readonly type: string | null = null,
    /** Seconds after which the same may succeed. */
    readonly retryAfter: number | null = null,
    /** The same as `problems`, with the field that each is about, where it is known. */
    readonly errors: readonly FieldError[] = [],
  ) {
    super(message);
  }

  /** Whether nobody answered. */
  get away(): boolean {
    return this.status === 0;
  }

  /** Whether it wants a key, or another one; or the session is another by now, signed in elsewhere
   * in this browser. */
  get signedOut(): boolean {
    return this.status === 401 || this.type === "urn:ninefold:problem:csrf";
  }

  /** Whether what was asked for is not there, or no more. */
  get missing(): boolean {
    return this.status === 404;
  }

  /** All that is wrong, as lines. */
  get lines(): readonly string[] {
    return this.problems.length > 0 ? this.problems : [this.message];
  }
}

/** The problem that an answer tells. */
export function problemOf(response: Response, body: unknown): ApiProblem {
  const found = isProblem(body) ? body : null;
  const after = Number(response.headers.get("Retry-After") ?? Number.NaN);
  return new ApiProblem(
    response.status,
    found?.detail ?? found?.title ?? `The server answered ${response.status}.`,
    found?.errors?.map(lineOf) ?? [],
    found?.type ?? null,
    Number.isFinite(after) ? after : null,
    found?.errors ?? [],
  );
}

/** A single error with what it is about, which those that name a place begin with. */
function lineOf({ detail, place, pointer, parameter }: FieldError): string {
  const about = pointer?.replace(/^#\/?/, "").replaceAll("/", ".") || parameter;
  return place == null && about ? `${about}: ${detail}` : detail;
}

/** The problem where no answer came at all. */
export function awayProblem(): ApiProblem {
  return new ApiProblem(0, "The server could not be reached. What you typed is kept.");
}

/** Whether it is that nobody answered. */
export function isAway(error: unknown): boolean {
  return error instanceof ApiProblem && error.away;
}

/** Whether the same may succeed later: nobody answered, or the server could not do it then. */
export function isPassing(error: unknown): boolean {
  return error instanceof ApiProblem && (error.away || error.status >= 500);
}

/** What to tell of anything that was thrown. */
export function linesOf(error: unknown): readonly string[] {
  if (error instanceof ApiProblem) return error.lines;
  return [error instanceof Error ? error.message : String(error)];
}

function isProblem(body: unknown): body is ProblemDocument {
  return typeof body === "object" && body !== null && "detail" in body && "title" in body;
}
