import { Disclosure, DisclosurePanel } from "react-aria-components";
import type { ModelList } from "../api/types";
import type { Draft } from "../draft/draft";
import { Button } from "../ui/Button";
import { SelectField } from "../ui/fields";
import { Icon } from "../ui/Icon";
import { capabilitiesOf, modelNameOf, modelOf, summaryOf } from "./models";

interface Props {
  readonly draft: Draft;
  readonly models: ModelList;
  readonly onChange: (model: string | null) => void;
  readonly error?: string | undefined;
}

/** The model, and what it can do in words. */
export function ModelField({ draft, models, onChange, error }: Props) {
  const name = modelNameOf(draft, models);
  const model = modelOf(draft, models);
  const broken = typeof model?.["error"] === "string" ? model["error"] : undefined;
  const gone = `${name} is not here any more. Choose another; all else is kept.`;
  return (
    <div className="stack-2">
      <SelectField
        label="Model"
        value={name}
        onChange={(chosen) => onChange(chosen === models.default ? null : chosen)}
        error={error ?? (model === undefined ? gone : broken)}
        choices={[
          ...(model === undefined ? [{ id: name, label: name, detail: "Not here" }] : []),
          ...models.data.map((item) => ({
            id: item.id,
            label: item.id,
            detail: summaryOf(item),
          })),
        ]}
      />
      {model !== undefined && broken === undefined && (
        <Disclosure className="more">
          <Button slot="trigger" kind="quiet">
            <Icon name="chevron" size={16} />
            What it can do
          </Button>
          <DisclosurePanel>
            <dl className="facts-list">
              {capabilitiesOf(model).map(([term, text]) => (
                <div key={term}>
                  <dt>{term}</dt>
                  <dd>{text}</dd>
                </div>
              ))}
            </dl>
            {typeof model["hint"] === "string" && <p className="hint">{model["hint"]}</p>}
          </DisclosurePanel>
        </Disclosure>
      )}
    </div>
  );
}
