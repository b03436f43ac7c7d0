import { PageHeading } from "../ui/PageHeading";
import { Pending } from "../ui/Pending";
import "./grid.css";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, dataOf } from "../api/client";
import { gridQuery } from "../api/queries";
import { hasEnded } from "../api/types";
import { UNTIL_BACK } from "../api/untilBack";
import { ArchiveLink } from "../jobs/ArchiveLink";
import { SheetLinks } from "../jobs/SheetLinks";
import { Button } from "../ui/Button";
import { AwayNotice, Problems } from "../ui/Problems";
import { GridTable } from "./GridTable";

/** A grid: every cell where its column and row meet, as it becomes done. */
export default function GridPage({ id }: { readonly id: string }) {
  const queries = useQueryClient();
  const query = useQuery(gridQuery(id));
  const grid = query.data;
  const cancel = useMutation({
    ...UNTIL_BACK,
    mutationFn: () =>
      dataOf(api.POST("/v1/groups/{group_id}/cancel", { params: { path: { group_id: id } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: gridQuery(id).queryKey }),
  });
  if (grid === undefined) {
    return <Pending error={query.error} title="This grid cannot be shown" />;
  }
  const jobs = grid.cells.flatMap(({ job }) => (job === null ? [] : [job]));
  const ended = jobs.filter(({ status }) => hasEnded(status)).length;
  return (
    <article className="stack">
      <header className="row">
        <PageHeading title={grid.prompt ?? String(jobs[0]?.input["prompt"] ?? grid.id)} />
        {/* Read out once it is whole, not with every one that ends. */}
        <span className="muted" role="status" aria-live={ended === jobs.length ? "polite" : "off"}>
          {ended} of {jobs.length} done
        </span>
        {!hasEnded(grid.status) && (
          <Button isPending={cancel.isPending} onPress={() => cancel.mutate()}>
            Cancel the rest
          </Button>
        )}
        {jobs.some(({ status }) => status === "succeeded") && (
          <>
            <SheetLinks group={id} />
            <ArchiveLink group={id} />
          </>
        )}
      </header>
      <AwayNotice of={[cancel]} />
      <Problems error={cancel.error ?? query.error} />
      <GridTable grid={grid} />
    </article>
  );
}
