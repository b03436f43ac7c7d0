import { PageHeading } from "../ui/PageHeading";
import "./BatchPage.css";
import { useMemo } from "react";
import { Link } from "react-aria-components";
import { routes } from "../app/routes";
import { costInShort, imagesText } from "../jobs/costText";
import { SheetLinks } from "../jobs/SheetLinks";
import { useSession } from "../session/session";
import { Button } from "../ui/Button";
import { NumberField, SelectField } from "../ui/fields";
import { countText } from "../ui/format";
import { Problems } from "../ui/Problems";
import { Columns } from "./Columns";
import { useBatch } from "./kept";
import { type Placed, placedProblems } from "./problems";
import { RowTable } from "./RowTable";
import { Source } from "./Source";
import { COMPOSED } from "./shared";
import { summed } from "./summary";
import { MAX_ROWS, type Reading } from "./table";
import { useRowCheck } from "./useRowCheck";
import { useRows } from "./useRows";
import { useRun } from "./useRun";

const READINGS: readonly { readonly id: Reading; readonly label: string }[] = [
  { id: "auto", label: "By what it looks like" },
  { id: "table", label: "A table, its head first" },
  { id: "list", label: "A prompt a line" },
];

const NO_BODIES: readonly string[] = [];

/** Many pictures from a table or a list: looked through, told what it costs, run as a group. */
export default function BatchPage() {
  const { batch, setBatch, isKept } = useBatch();
  const { table, mapping, targets, chunks, bodies, presets, isReady, error } = useRows(batch);
  const limits = useSession()?.limits;
  const rows = table.rows.length;
  const tooMany = rows > MAX_ROWS;
  const check = useRowCheck(isReady && !tooMany ? bodies.check : NO_BODIES);
  const run = useRun(bodies.run, batch.run, setBatch);

  const problems = useMemo<readonly Placed[]>(() => {
    const own = table.rows.flatMap(({ problem }, row) =>
      problem === null ? [] : [{ row, column: null, text: problem }],
    );
    const told = check.found.flatMap((found, at) =>
      placedProblems(found.problems ?? [], chunks.check[at]?.first ?? 0, mapping),
    );
    return [...own, ...told];
  }, [table, check.found, chunks, mapping]);
  const whole = [...new Set(problems.filter(({ row }) => row === null).map(({ text }) => text))];
  const wrongRows = new Set(problems.map(({ row }) => row).filter((row) => row !== null)).size;
  const checked = check.found.length === bodies.check.length && isReady;
  const cost = summed(check.found);
  const sent = batch.run?.groups ?? [];

  return (
    <article className="batch">
      <PageHeading title="Batch" />
      <section className="card stack" aria-label="What is given">
        <Source text={batch.text} onChange={(text) => setBatch({ ...batch, text })} />
        {!isKept && (
          <p className="warn small" role="status">
            This is too large for the browser to keep: after a reload it is gone. Keep the file.
          </p>
        )}
        <div className="batch-columns">
          <SelectField
            label="Read as"
            hint={rows > 0 ? `Read as ${table.kind}.` : undefined}
            value={batch.reading}
            onChange={(reading) => setBatch({ ...batch, reading })}
            choices={READINGS}
          />
          <SelectField
            label="Preset"
            hint={
              batch.preset === COMPOSED
                ? "All that is set where you compose, but for the number of images; columns change it row by row."
                : presets.find(({ name }) => name === batch.preset)?.description
            }
            value={batch.preset}
            onChange={(preset) => setBatch({ ...batch, preset })}
            choices={[
              { id: COMPOSED, label: "As composed" },
              ...presets.map(({ name }) => ({ id: name, label: name })),
            ]}
          />
          <NumberField
            label="Images of each row"
            hint="With seeds in a row."
            value={batch.count}
            onChange={(count) => setBatch({ ...batch, count: count ?? 1 })}
            minimum={1}
            maximum={limits?.max_group ?? 100}
            step={1}
          />
        </div>
        <Problems error={error} />
      </section>
      {rows > 0 && (
        <section className="card stack" aria-label="What was read">
          <Columns
            columns={table.columns}
            mapping={mapping}
            targets={targets}
            onChange={(column, target) =>
              setBatch({ ...batch, chosen: { ...batch.chosen, [column]: target } })
            }
          />
          <RowTable table={table} mapping={mapping} problems={problems} />
        </section>
      )}
      {rows > 0 && (
        <section className="card stack" aria-label="What it will be">
          {tooMany && (
            <Problems
              error={`${rows.toLocaleString()} rows: expected at most ${MAX_ROWS.toLocaleString()}. Split the file.`}
            />
          )}
          {/* Read out once all are checked, not with every thousand. */}
          <p role="status" aria-live={checked ? "polite" : "off"}>
            {!tooMany &&
              !checked &&
              `Checking: ${countText(chunks.check[check.found.length]?.first ?? 0)} of ${countText(rows)} rows`}
            {checked &&
              problems.length === 0 &&
              `${cost.images === 1 ? `${imagesText(1)} · ` : ""}${costInShort(cost)}`}
          </p>
          {whole.length > 0 && <Problems error={whole.join(" ")} />}
          {wrongRows > 0 && (
            <p className="bad" role="alert">
              {wrongRows === 1 ? "One row has" : `${wrongRows.toLocaleString()} rows have`}{" "}
              something wrong. Mend {wrongRows === 1 ? "it" : "them"} above, and the batch can run.
            </p>
          )}
          {bodies.run.length > 1 && !tooMany && (
            <p className="muted small">
              It runs as {bodies.run.length} groups, since this server takes{" "}
              {(limits?.max_group ?? 100).toLocaleString()} images in one.
            </p>
          )}
          <div>
            <Button
              kind="primary"
              isPending={run.isPending}
              isDisabled={!checked || tooMany || problems.length > 0}
              onPress={() => run.mutate()}
            >
              Run
            </Button>
          </div>
          <Problems error={check.error} />
          <Problems
            error={run.error}
            title="Not all of it was sent. Run goes on where it stopped, and makes nothing twice."
          />
          {sent.length > 0 && (
            <ul aria-label="Groups" className="row">
              {sent.map((id, at) => (
                <li key={id}>
                  <Link className="button plain" href={routes.group(id)}>
                    {bodies.run.length > 1 ? `Group ${at + 1}` : "The last run"}
                  </Link>
                  <SheetLinks group={id} />
                </li>
              ))}
            </ul>
          )}
        </section>
      )}
    </article>
  );
}
