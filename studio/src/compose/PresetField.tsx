import { Label, Radio, RadioGroup } from "react-aria-components";
import type { PresetDocument } from "../api/types";
import { type Config, type Draft, isAsPreset } from "../draft/draft";

interface Props {
  readonly draft: Draft;
  readonly presets: readonly PresetDocument[];
  readonly onChange: (name: string, config: Config) => void;
}

/** Where to begin: each preset as a card, with what it is for. */
export function PresetField({ draft, presets, onChange }: Props) {
  const chosen = presets.find(({ name }) => name === draft.preset);
  const changed = chosen !== undefined && !isAsPreset(draft, configOfPreset(chosen));
  return (
    <RadioGroup
      className="field"
      value={draft.preset}
      onChange={(name) => {
        const preset = presets.find((item) => item.name === name);
        if (preset !== undefined) onChange(name, configOfPreset(preset));
      }}
    >
      <div className="row spread">
        <Label className="label">Preset</Label>
        {changed && (
          <button
            type="button"
            className="link small muted"
            onClick={() => onChange(chosen.name, configOfPreset(chosen))}
          >
            changed: back to {chosen.name}
          </button>
        )}
      </div>
      <div className="cards">
        {presets.map(({ name, description, config }) => (
          <Radio key={name} value={name} className="choice-card">
            <strong>{name}</strong>
            <span className="hint">{description}</span>
            <span className="hint">{countOf(config as unknown as Config)}</span>
          </Radio>
        ))}
      </div>
    </RadioGroup>
  );
}

function configOfPreset({ config }: PresetDocument): Config {
  return config as unknown as Config;
}

function countOf({ stages }: Config): string {
  return stages.length === 1 ? "One stage" : `${stages.length} stages`;
}
