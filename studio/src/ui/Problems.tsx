import { isAway, linesOf } from "../api/problem";
import { Icon } from "./Icon";

/** What was refused or went wrong, where it happened; read out when it comes. */
export function Problems({ error, title }: { readonly error: unknown; readonly title?: string }) {
  if (error === null || error === undefined) return null;
  const lines = linesOf(error);
  return (
    <div className="problems" role="alert">
      <Icon name="warning" />
      <div>
        {title !== undefined && <strong>{title}</strong>}
        {lines.length === 1 ? (
          <p>{lines[0]}</p>
        ) : (
          <ul>
            {lines.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}

interface Action {
  readonly error: unknown;
  /** Why the last try failed, where it is tried again. */
  readonly failureReason: unknown;
}

/** That actions, which are tried until the server is back, wait for it. */
export function AwayNotice({ of }: { readonly of: readonly Action[] }) {
  if (!of.some(({ error, failureReason }) => error === null && isAway(failureReason))) return null;
  return (
    <div className="problems" role="alert">
      <Icon name="warning" />
      <p>The server could not be reached. This is done once it is back.</p>
    </div>
  );
}
