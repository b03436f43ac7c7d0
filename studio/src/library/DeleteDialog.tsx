import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Problems } from "../ui/Problems";

interface Props {
  readonly count: number;
  readonly isOpen: boolean;
  readonly isPending: boolean;
  readonly error: unknown;
  readonly onDelete: () => void;
  readonly onClose: () => void;
}

/** Asks before jobs are deleted, and says what goes with them. */
export function DeleteDialog({ count, isOpen, isPending, error, onDelete, onClose }: Props) {
  const many = count === 1 ? "this job" : `${count} jobs`;
  return (
    <Dialog
      title={`Delete ${many}?`}
      isOpen={isOpen}
      isAlert
      onClose={onClose}
      actions={
        <>
          <Button autoFocus onPress={onClose}>
            Keep
          </Button>
          <Button kind="danger" isPending={isPending} onPress={onDelete}>
            Delete {many}
          </Button>
        </>
      }
    >
      <p>
        Published pictures, what every stage made, settings and history of {many} go for good. Jobs
        that were made from {count === 1 ? "it" : "them"} keep what they took over. One that has not
        ended is kept.
      </p>
      <Problems error={error} />
    </Dialog>
  );
}
