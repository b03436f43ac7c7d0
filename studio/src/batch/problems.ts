import type { components } from "../api/schema";
import type { Target } from "./columns";

type FieldError = Partial<components["schemas"]["FieldError"]>;

/** What is wrong: with a cell, with a row where `column` is null, with all where both are. */
export interface Placed {
  readonly row: number | null;
  readonly column: number | null;
  readonly text: string;
}

/** Problems of a request's rows, at the rows and columns that they come from.
 *
 * `first` is the number of the request's first row; rows count from 0.
 */
export function placedProblems(
  errors: readonly FieldError[],
  first: number,
  mapping: readonly Target[],
): readonly Placed[] {
  return errors.map(({ detail = "", place, pointer }) => {
    const path = place ?? pointer?.replace(/^#\//, "").replaceAll("/", ".") ?? "";
    const found = /^inputs\.(\d+)(?:\.(.+))?$/.exec(path);
    if (found === null) return { row: null, column: null, text: detail };
    const text = detail.startsWith(`${path}: `) ? detail.slice(path.length + 2) : detail;
    const field = found[2]?.replace(/^overrides\./, "") ?? "";
    // A stage names its parameter or input in words, where the row is all that is told apart.
    const column = mapping.findIndex(
      (target) =>
        target !== "" &&
        (field === target || field.startsWith(`${target}.`) || text.startsWith(`${target}: `)),
    );
    return { row: first + Number(found[1]), column: column < 0 ? null : column, text };
  });
}
