import { Label, Radio, RadioGroup } from "react-aria-components";
import type { Json } from "../api/json";
import { NumericField } from "../forms/NumericField";
import { SHAPES, type SizeRules, shapeOf, sizeOf } from "./shapes";

interface Props {
  readonly width: Json | undefined;
  readonly height: Json | undefined;
  readonly rules: SizeRules | null;
  readonly onChange: (width: Json | undefined, height: Json | undefined) => void;
  readonly errors: Readonly<Record<string, string>>;
}

/** The size, by its shape or in numbers; empty is the model's own, or what fits a source image. */
export function SizeField({ width, height, rules, onChange, errors }: Props) {
  const shape =
    rules !== null && typeof width === "number" && typeof height === "number"
      ? shapeOf(width, height, rules)
      : null;
  const own = isEmpty(width) && isEmpty(height);
  return (
    <div className="stack-2">
      {rules !== null && (
        <RadioGroup
          className="field"
          value={own ? "own" : (shape?.name ?? "numbers")}
          onChange={(name) => {
            const found = SHAPES.find((item) => item.name === name);
            const size = found === undefined ? null : sizeOf(found, rules);
            onChange(size?.width, size?.height);
          }}
        >
          <Label className="label">Size</Label>
          <div className="shapes">
            <Radio value="own" className="shape">
              <span className="shape-box">
                <span
                  className="shape-frame dashed"
                  style={frameOf(rules.native[0] / rules.native[1])}
                />
              </span>
              Default
            </Radio>
            {SHAPES.map((item) => (
              <Radio key={item.name} value={item.name} className="shape">
                <span className="shape-box">
                  <span className="shape-frame" style={frameOf(item.ratio)} />
                </span>
                {item.name}
              </Radio>
            ))}
          </div>
        </RadioGroup>
      )}
      <div className="pair">
        <NumericField
          label="Width"
          value={width ?? null}
          onChange={(found) => onChange(found, height)}
          empty={undefined}
          minimum={rules?.multiple}
          maximum={rules?.maximum}
          step={rules?.multiple ?? 8}
          placeholder={rules?.native[0].toString()}
          error={errors["width"]}
        />
        <NumericField
          label="Height"
          value={height ?? null}
          onChange={(found) => onChange(width, found)}
          empty={undefined}
          minimum={rules?.multiple}
          maximum={rules?.maximum}
          step={rules?.multiple ?? 8}
          placeholder={rules?.native[1].toString()}
          error={errors["height"]}
        />
      </div>
    </div>
  );
}

function isEmpty(value: Json | undefined): boolean {
  return value === undefined || value === null;
}

/** A frame of a shape, in percent of the room for it. */
function frameOf(ratio: number) {
  return { width: `${100 * Math.min(1, ratio)}%`, height: `${100 * Math.min(1, 1 / ratio)}%` };
}
