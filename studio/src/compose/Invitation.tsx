import type { ModelList } from "../api/types";
import type { Draft } from "../draft/draft";
import { modelOf } from "./models";

interface Props {
  readonly draft: Draft;
  readonly models: ModelList;
  readonly onChoose: (prompt: string) => void;
}

/** What an empty prompt is begun with: prompts that the model is good at. */
export function Invitation({ draft, models, onChoose }: Props) {
  const examples = modelOf(draft, models)?.["examples"];
  if (!Array.isArray(examples) || examples.length === 0) return null;
  return (
    <ul className="row" aria-label="Prompts to begin with">
      <li className="hint" aria-hidden="true">
        Try
      </li>
      {examples.slice(0, 6).map((example) => (
        <li key={String(example)}>
          <button type="button" className="chip" onClick={() => onChoose(String(example))}>
            {String(example)}
          </button>
        </li>
      ))}
    </ul>
  );
}
