import { PageHeading } from "../ui/PageHeading";
import "./LibraryPage.css";
import { type KeyboardEvent, useCallback, useMemo, useState } from "react";
import { FileTrigger } from "react-aria-components";
import { useLocation, useSearchParams } from "wouter";
import { routes } from "../app/routes";
import { useDrop } from "../picture/useDrop";
import { Button } from "../ui/Button";
import { EmptyState } from "../ui/EmptyState";
import { Icon } from "../ui/Icon";
import { Problems } from "../ui/Problems";
import { ChosenBar } from "./ChosenBar";
import { FilterBar } from "./FilterBar";
import { type Filters, filtersOf, isFiltered, searchOf } from "./filters";
import { type Act, Gallery } from "./Gallery";
import { InspectDialog } from "./InspectDialog";
import { NONE, only, rangeTo, type Selection, toggled, without } from "./selection";
import { useActions } from "./useActions";
import { useJobList } from "./useJobList";
import { useSight } from "./useSight";

/** All jobs, the newest first: searched, chosen, compared, deleted. The address holds the search. */
export default function LibraryPage() {
  const [search, setSearch] = useSearchParams();
  const [, navigate] = useLocation();
  const filters = useFilters(search);
  const [sight, setSight] = useSight();
  const list = useJobList(filters, sight.first, sight.last);
  const [selection, setSelection] = useState<Selection>(NONE);
  const [isAsking, setAsking] = useState(false);
  const [file, setFile] = useState<File | null>(null);
  const actions = useActions();
  const isOver = useDrop(setFile);

  const change = useCallback(
    (to: Partial<Filters>) => {
      setSearch((before) => searchOf({ ...filtersOf(before), ...to }), { replace: true });
      setSelection(NONE);
      window.scrollTo(0, 0);
    },
    [setSearch],
  );

  const act = (kind: Act, index: number) => {
    const job = list.at(index);
    if (job === undefined) return;
    if (kind === "open") navigate(routes.job(job.id));
    else if (kind === "choose") setSelection(only(index, job.id));
    else if (kind === "toggle") setSelection((before) => toggled(before, index, job.id));
    else if (kind === "range") void range(index);
    else if (kind === "favourite") actions.favourite.mutate({ ids: [job.id], on: !job.favourite });
    else if (job.group !== null) navigate(routes.group(job.group));
  };

  const range = async (index: number) => {
    const ids = await list.ids(rangeTo(selection, index));
    setSelection((before) => ({ ...before, ids: new Set(ids), focus: index }));
  };

  const onKey = (event: KeyboardEvent): boolean => {
    if (event.key === "Delete" || event.key === "Backspace") {
      const job = list.at(selection.focus);
      if (selection.ids.size === 0 && job !== undefined) {
        setSelection(only(selection.focus, job.id));
      }
      setAsking(true);
      return true;
    }
    if (event.key === "Escape") {
      setSelection((before) => ({ ...before, ids: NONE.ids }));
      return true;
    }
    if (event.key === "a" && (event.ctrlKey || event.metaKey)) {
      setSelection((before) => ({ ...before, pivot: 0 }));
      void list
        .ids(rangeTo(NONE, (list.total ?? 1) - 1))
        .then((ids) => setSelection((before) => ({ ...before, ids: new Set(ids) })));
      return true;
    }
    return false;
  };

  const { total } = list;
  return (
    <div className="library">
      <PageHeading title="Library" isHidden />
      <div className="library-bar">
        <FilterBar
          filters={filters}
          onChange={change}
          onClear={() => change(filtersOf(new URLSearchParams()))}
        />
        <div className="library-count">
          <span role="status" className="muted small">
            {total === null
              ? "Counting…"
              : `${total.toLocaleString()} ${total === 1 ? "job" : "jobs"}`}
          </span>
          {list.newer > 0 && (
            <Button
              onPress={() => {
                list.refresh();
                window.scrollTo(0, 0);
              }}
            >
              <Icon name="up" size={16} />
              Show {list.newer} new
            </Button>
          )}
          <FileTrigger
            acceptedFileTypes={["image/*"]}
            onSelect={(files) => setFile(files?.[0] ?? null)}
          >
            <Button kind="quiet">
              <Icon name="upload" size={16} />
              Settings of a picture
            </Button>
          </FileTrigger>
        </div>
      </div>
      <Problems error={list.error} title="The library cannot be shown" />
      {total === 0 ? (
        <Empty isFiltered={isFiltered(filters)} />
      ) : (
        <Gallery
          total={total ?? 0}
          at={list.at}
          chosen={selection.ids}
          focus={Math.min(selection.focus, Math.max(0, (total ?? 1) - 1))}
          onRange={setSight}
          onAct={act}
          onFocus={(focus) => setSelection((before) => ({ ...before, focus }))}
          onKey={onKey}
        />
      )}
      <ChosenBar
        ids={[...selection.ids]}
        actions={actions}
        isAsking={isAsking}
        onAsk={setAsking}
        onDeleted={(gone) => setSelection((before) => without(before, gone))}
        onClear={() => setSelection((before) => ({ ...before, ids: NONE.ids }))}
      />
      {file !== null && <InspectDialog key={file.name} file={file} onClose={() => setFile(null)} />}
      {isOver && <div className="drop-target">Drop a picture to see its settings</div>}
    </div>
  );
}

function Empty({ isFiltered: filtered }: { readonly isFiltered: boolean }) {
  return filtered ? (
    <EmptyState title="Nothing matches">Take a filter away, or search for other words.</EmptyState>
  ) : (
    <EmptyState title="Nothing here yet">
      What you paint is kept here. Drop a picture of any tool to see its settings.
    </EmptyState>
  );
}

/** The filters of an address; the same ones for the same address. */
function useFilters(search: URLSearchParams): Filters {
  const text = search.toString();
  return useMemo(() => filtersOf(new URLSearchParams(text)), [text]);
}
