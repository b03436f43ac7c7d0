import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState } from "react";
import { type Json, toJson } from "../api/json";
import { Switch } from "../ui/fields";
import type { Target } from "./columns";
import type { Placed } from "./problems";
import type { Table } from "./table";

interface Props {
  readonly table: Table;
  readonly mapping: readonly Target[];
  readonly problems: readonly Placed[];
}

/** Pixels of a row that has a line in each cell. */
const ROW = 34;

/** All rows, of which only those in sight are in the page; what is wrong stands in its cell. */
export function RowTable({ table, mapping, problems }: Props) {
  const frame = useRef<HTMLElement>(null);
  const [wrongOnly, setWrongOnly] = useState(false);
  const byRow = useMemo(() => {
    const found = new Map<number, Placed[]>();
    for (const problem of problems) {
      if (problem.row === null) continue;
      found.set(problem.row, [...(found.get(problem.row) ?? []), problem]);
    }
    return found;
  }, [problems]);
  const shown = useMemo(() => {
    const all = table.rows.map((_, at) => at);
    return wrongOnly && byRow.size > 0 ? all.filter((at) => byRow.has(at)) : all;
  }, [table.rows, wrongOnly, byRow]);
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW,
    getItemKey: (index) => shown[index] ?? index,
    overscan: 10,
  });
  const columns = {
    gridTemplateColumns: `4rem repeat(${table.columns.length}, minmax(9rem, 1fr))`,
  };
  return (
    <section className="stack" aria-label="All rows">
      {byRow.size > 0 && (
        <Switch
          label={`Only the ${byRow.size.toLocaleString()} with something wrong`}
          value={wrongOnly}
          onChange={setWrongOnly}
        />
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls by keyboard */}
      <section className="batch-frame" ref={frame} tabIndex={0} aria-label="Rows as read">
        {/* biome-ignore-start lint/a11y/useSemanticElements: rows out of sight are not there */}
        {/* biome-ignore-start lint/a11y/useFocusableInteractive: they are read, not operated */}
        <div role="table" aria-label="Rows as read" aria-rowcount={shown.length + 1}>
          <div role="row" className="batch-row head" style={columns} aria-rowindex={1}>
            <span role="columnheader">Row</span>
            {table.columns.map((name, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: columns may have the same name
              <span role="columnheader" key={at} className={mapping[at] === "" ? "off" : ""}>
                {name}
              </span>
            ))}
          </div>
          <div role="rowgroup" className="batch-body" style={{ height: virtual.getTotalSize() }}>
            {virtual.getVirtualItems().map(({ key, index, start }) => {
              const number = shown[index] ?? 0;
              const row = table.rows[number];
              const wrong = byRow.get(number) ?? [];
              return (
                <div
                  role="row"
                  key={key}
                  data-index={index}
                  aria-rowindex={index + 2}
                  ref={virtual.measureElement}
                  className="batch-row"
                  style={{ ...columns, transform: `translateY(${start}px)` }}
                >
                  <span role="rowheader" className="muted">
                    {number + 1}
                  </span>
                  {table.columns.map((_, at) => (
                    // biome-ignore lint/suspicious/noArrayIndexKey: columns may have the same name
                    <span role="cell" key={at} className={mapping[at] === "" ? "off" : ""}>
                      <span className="value">{cellText(row?.cells[at])}</span>
                      <Wrong problems={wrong.filter(({ column }) => column === at)} />
                    </span>
                  ))}
                  {wrong.some(({ column }) => column === null) && (
                    <span role="cell" className="whole">
                      <Wrong problems={wrong.filter(({ column }) => column === null)} />
                    </span>
                  )}
                </div>
              );
            })}
          </div>
        </div>
        {/* biome-ignore-end lint/a11y/useFocusableInteractive: they are read, not operated */}
        {/* biome-ignore-end lint/a11y/useSemanticElements: rows out of sight are not there */}
      </section>
    </section>
  );
}

function Wrong({ problems }: { readonly problems: readonly Placed[] }) {
  return problems.map(({ text }) => (
    <span className="bad" key={text}>
      ⚠ {text}
    </span>
  ));
}

function cellText(cell: Json | undefined): string {
  if (cell === undefined || cell === null) return "";
  return typeof cell === "string" ? cell : toJson(cell);
}
