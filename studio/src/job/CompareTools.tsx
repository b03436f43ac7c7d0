import type { Picture } from "../jobs/pictures";
import { SelectField } from "../ui/fields";

interface Props {
  readonly pictures: readonly Picture[];
  readonly shown: Picture;
  readonly compared: Picture | undefined;
  /** Per cent of the width, from the left, that shows the compared one. */
  readonly part: number;
  readonly onShow: (name: string) => void;
  readonly onCompare: (name: string | null) => void;
  readonly onPart: (part: number) => void;
}

/** Which stage's picture is seen, and with which other it is compared. */
export function CompareTools(props: Props) {
  const choices = props.pictures.map(({ name, label }) => ({ id: name, label }));
  return (
    <div className="compare">
      <SelectField
        label="Compare"
        value={props.compared?.name ?? ""}
        onChange={(name) => props.onCompare(name === "" ? null : name)}
        choices={[{ id: "", label: "Nothing" }, ...choices]}
      />
      {props.compared !== undefined && (
        <label className="field">
          <span className="label">Line between the two</span>
          <input
            type="range"
            min={0}
            max={100}
            value={props.part}
            onChange={(event) => props.onPart(Number(event.currentTarget.value))}
          />
        </label>
      )}
      <SelectField
        label="Shown"
        value={props.shown.name}
        onChange={props.onShow}
        choices={choices}
      />
    </div>
  );
}
