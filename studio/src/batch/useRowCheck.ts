import { useEffect, useRef, useState } from "react";
import { api, dataOf } from "../api/client";
import { parseJson } from "../api/json";
import { ApiProblem } from "../api/problem";
import type { EstimateDocument, EstimateRequest } from "../api/types";

export interface RowCheck {
  /** What the server found of each request; shorter while it has not looked at all. */
  readonly found: readonly EstimateDocument[];
  readonly error: unknown;
}

/** Milliseconds that typing may pause before the server is asked. */
const SETTLED = 400;
/** Milliseconds after which a server that is away is asked again. */
const AGAIN = 3_000;

/** Have the server look through requests, one after the other; what did not change is not asked
 * for again. A server that is away, or asked too often, is waited for. */
export function useRowCheck(bodies: readonly string[]): RowCheck {
  const known = useRef(new Map<string, EstimateDocument>());
  const [check, setCheck] = useState<RowCheck>({ found: [], error: null });
  useEffect(() => {
    const stop = new AbortController();
    const look = async () => {
      const found: EstimateDocument[] = [];
      setCheck({ found, error: null });
      await pause(SETTLED, stop.signal);
      while (found.length < bodies.length && !stop.signal.aborted) {
        const body = bodies[found.length] ?? "";
        try {
          const answer = known.current.get(body) ?? (await estimated(body, stop.signal));
          known.current.set(body, answer);
          found.push(answer);
          if (!stop.signal.aborted) setCheck({ found: [...found], error: null });
        } catch (error) {
          if (stop.signal.aborted) return;
          setCheck({ found: [...found], error });
          const again = waitOf(error);
          if (again === null) return;
          await pause(again, stop.signal);
        }
      }
    };
    void look();
    return () => stop.abort();
  }, [bodies]);
  return check;
}

/** Milliseconds after which the same may succeed; null where it never does. */
function waitOf(error: unknown): number | null {
  if (!(error instanceof ApiProblem)) return null;
  if (error.away) return AGAIN;
  return error.status === 429 || error.status === 503 ? (error.retryAfter ?? 3) * 1000 : null;
}

async function estimated(body: string, signal: AbortSignal): Promise<EstimateDocument> {
  try {
    const sent = parseJson(body) as EstimateRequest;
    return await dataOf(api.POST("/v1/jobs/estimate", { body: sent, signal }));
  } catch (error) {
    // What is no value of its kind is refused at once, and told in the same way.
    if (!(error instanceof ApiProblem) || error.status !== 422) throw error;
    const whole = { detail: error.message, parameter: null, place: null, pointer: null };
    return {
      steps: [],
      seconds: null,
      weights_bytes: null,
      images: 0,
      warnings: [],
      problems: error.errors.length > 0 ? [...error.errors] : [whole],
    };
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
