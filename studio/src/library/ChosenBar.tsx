import { useState } from "react";
import { useLocation } from "wouter";
import { ApiProblem } from "../api/problem";
import { routes } from "../app/routes";
import { Button } from "../ui/Button";
import { DownloadLink } from "../ui/DownloadLink";
import { Icon } from "../ui/Icon";
import { AwayNotice, Problems } from "../ui/Problems";
import { DeleteDialog } from "./DeleteDialog";
import type { useActions } from "./useActions";

interface Props {
  readonly ids: readonly string[];
  readonly actions: ReturnType<typeof useActions>;
  readonly isAsking: boolean;
  readonly onAsk: (asks: boolean) => void;
  readonly onDeleted: (ids: readonly string[]) => void;
  readonly onClear: () => void;
}

/** Jobs that can be seen side by side. */
const MOST_COMPARED = 4;

/** What can be done with the chosen jobs. */
export function ChosenBar({ ids, actions, isAsking, onAsk, onDeleted, onClear }: Props) {
  const [, navigate] = useLocation();
  const [kept, setKept] = useState<readonly string[]>([]);
  const { favourite, remove } = actions;
  const erase = () =>
    remove.mutate(ids, {
      onSuccess({ deleted, kept: reasons }) {
        setKept(Object.entries(reasons).map(([id, reason]) => `${id}: ${reason}`));
        onAsk(false);
        onDeleted(deleted);
      },
    });
  const notDeleted = kept.length === 0 ? null : new ApiProblem(409, "Some were kept.", kept);
  if (ids.length === 0) {
    if (favourite.failureReason === null) return null;
    // One may be marked that is not chosen: by its own button, or by a key.
    return (
      <div className="chosen">
        <AwayNotice of={[favourite]} />
        <Problems error={favourite.error} />
      </div>
    );
  }
  return (
    <section className="chosen" aria-label="Chosen jobs">
      <strong role="status">{ids.length} chosen</strong>
      <Button
        isDisabled={ids.length < 2 || ids.length > MOST_COMPARED}
        onPress={() => navigate(routes.compare(ids))}
      >
        Compare
      </Button>
      <Button isPending={favourite.isPending} onPress={() => favourite.mutate({ ids, on: true })}>
        <Icon name="heart" size={16} />
        Favourite
      </Button>
      <Button onPress={() => favourite.mutate({ ids, on: false })}>Unfavourite</Button>
      <DownloadLink key={archiveUrl(ids)} href={archiveUrl(ids)}>
        Download ZIP
      </DownloadLink>
      <Button kind="danger" onPress={() => onAsk(true)}>
        <Icon name="trash" size={16} />
        Delete
      </Button>
      <Button kind="quiet" aria-label="Choose none" onPress={onClear}>
        <Icon name="close" size={16} />
      </Button>
      <AwayNotice of={[favourite]} />
      <Problems error={favourite.error} />
      <Problems error={notDeleted} title="These were kept" />
      <DeleteDialog
        count={ids.length}
        isOpen={isAsking}
        isPending={remove.isPending}
        error={remove.error}
        onDelete={erase}
        onClose={() => onAsk(false)}
      />
    </section>
  );
}

/** The final files of jobs, as one file that is written while it is sent. */
function archiveUrl(ids: readonly string[]): string {
  return `/v1/archives?${new URLSearchParams(ids.map((id) => ["job", id]))}`;
}
