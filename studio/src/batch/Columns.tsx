import { SelectField } from "../ui/fields";
import { choicesOf, IGNORED, type Target, type Targets } from "./columns";

interface Props {
  readonly columns: readonly string[];
  readonly mapping: readonly Target[];
  readonly targets: Targets;
  readonly onChange: (column: string, target: Target) => void;
}

/** What each column sets; those that set nothing are named. */
export function Columns({ columns, mapping, targets, onChange }: Props) {
  const choices = choicesOf(targets);
  const ignored = columns.filter((_, at) => mapping[at] === "");
  return (
    <section className="stack" aria-label="Columns">
      <h2>Columns</h2>
      <div className="batch-columns">
        {columns.map((name, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: columns may have the same name
          <div key={at}>
            <SelectField
              label={name === "" ? `Column ${at + 1}` : name}
              value={mapping[at] || IGNORED}
              onChange={(found) => onChange(name, found === IGNORED ? "" : found)}
              choices={choices}
            />
          </div>
        ))}
      </div>
      {ignored.length > 0 && (
        <p className="small warn" role="status">
          Ignored: {ignored.map((name) => name || "a column without a name").join(", ")}. Choose
          above what they set.
        </p>
      )}
    </section>
  );
}
