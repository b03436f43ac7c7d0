import { type KeyboardEvent, useState } from "react";
import { Link } from "react-aria-components";
import { routes } from "../app/routes";
import { Button } from "../ui/Button";
import { Icon, type IconName } from "../ui/Icon";
import { type Direction, dropOf, type Move, moved, moveOf, type WaitingJob } from "./moving";

interface Props {
  readonly waiting: readonly WaitingJob[];
  /** Whether it has all that wait. */
  readonly isWhole: boolean;
  readonly onMove: (id: string, to: Move) => void;
  readonly onCancel: (id: string) => void;
  readonly onCancelGroup: (group: string) => void;
}

const BUTTONS: readonly (readonly [Direction, string, IconName])[] = [
  ["first", "to the front", "first"],
  ["up", "up", "up"],
  ["down", "down", "down"],
  ["last", "to the end", "last"],
];

/** The jobs that wait, in order; moved by dragging, by buttons, and by Alt with arrow keys. */
export function WaitingList({ waiting, isWhole, onMove, onCancel, onCancelGroup }: Props) {
  const [held, setHeld] = useState<string | null>(null);
  const [over, setOver] = useState<string | null>(null);
  const [said, setSaid] = useState("");

  const send = (job: WaitingJob, move: Move) => {
    onMove(job.id, move);
    const place = moved(waiting, job.id, move).findIndex(({ id }) => id === job.id);
    setSaid(`${job.prompt || job.id} is now ${place + 1} of ${waiting.length}`);
  };
  const go = (at: number, direction: Direction) => {
    const job = waiting[at];
    const move = moveOf(waiting, at, direction, isWhole);
    if (job === undefined || move === null) return;
    send(job, move);
  };
  const onKeyDown = (event: KeyboardEvent, at: number) => {
    if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
    event.preventDefault();
    go(at, event.key === "ArrowUp" ? "up" : "down");
  };
  const drop = (onto: number) => {
    const from = waiting.findIndex(({ id }) => id === held);
    const job = waiting[from];
    const move = dropOf(waiting, from, onto);
    setHeld(null);
    setOver(null);
    if (job !== undefined && move !== null) send(job, move);
  };
  return (
    <>
      <ol className="waiting" aria-label="Waiting jobs, in order">
        {waiting.map((job, at) => {
          const name = job.prompt || job.id;
          return (
            <li
              key={job.id}
              className="card"
              data-held={held === job.id || undefined}
              data-over={(over === job.id && held !== job.id) || undefined}
              draggable
              onDragStart={(event) => {
                event.dataTransfer.effectAllowed = "move";
                event.dataTransfer.setData("text/plain", name);
                setHeld(job.id);
              }}
              onDragEnd={() => {
                setHeld(null);
                setOver(null);
              }}
              onDragOver={(event) => {
                if (held === null) return;
                event.preventDefault();
                setOver(job.id);
              }}
              onDrop={(event) => {
                event.preventDefault();
                drop(at);
              }}
              onKeyDown={(event) => onKeyDown(event, at)}
            >
              <span className="muted small">{at + 1}</span>
              <Link href={routes.job(job.id)} className="clamp queue-name">
                {name}
              </Link>
              <span className="queue-buttons">
                {BUTTONS.map(([direction, label, icon]) => (
                  <Button
                    key={direction}
                    kind="quiet"
                    aria-label={`Move ${name} ${label}`}
                    isDisabled={moveOf(waiting, at, direction, isWhole) === null}
                    onPress={() => go(at, direction)}
                  >
                    <Icon name={icon} size={16} />
                  </Button>
                ))}
                {job.group !== null && (
                  <Button
                    kind="quiet"
                    aria-label={`Cancel its group: ${name}`}
                    onPress={() => job.group !== null && onCancelGroup(job.group)}
                  >
                    Cancel its group
                  </Button>
                )}
                <Button kind="quiet" aria-label={`Cancel ${name}`} onPress={() => onCancel(job.id)}>
                  <Icon name="close" size={16} />
                </Button>
              </span>
            </li>
          );
        })}
      </ol>
      <p className="hidden" role="status">
        {said}
      </p>
    </>
  );
}
