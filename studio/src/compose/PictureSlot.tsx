import "./PictureSlot.css";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { FileTrigger } from "react-aria-components";
import { ApiProblem, isPassing } from "../api/problem";
import type { Source } from "../draft/draft";
import { PICTURES, pictureIn, type UploadKind, upload } from "../picture/uploads";
import { Button } from "../ui/Button";
import { useGone } from "../ui/brokenPictures";
import { Icon } from "../ui/Icon";
import { Problems } from "../ui/Problems";
import { keyOf, sourceQuery, sourceUrl } from "./sources";

interface Props {
  readonly label: string;
  readonly hint: string;
  readonly kind: UploadKind;
  readonly value: Source | null;
  readonly onChange: (source: Source | null) => void;
}

/** A place for one picture: dropped, pasted or chosen; sent at once, and shown. */
export function PictureSlot({ label, hint, kind, value, onChange }: Props) {
  const queries = useQueryClient();
  const [over, setOver] = useState(false);
  const send = useMutation({
    mutationFn: (file: File) => upload(file, kind),
    onSuccess: (found) => {
      queries.setQueryData(sourceQuery(found.id).queryKey, found);
      onChange(found.id);
    },
  });
  const take = (file: File | null) => file !== null && send.mutate(file);
  return (
    <section
      className="slot"
      aria-label={label}
      data-over={over || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        event.stopPropagation();
        setOver(false);
        take(pictureIn(event.dataTransfer));
      }}
      onPaste={(event) => {
        event.stopPropagation();
        take(pictureIn(event.clipboardData));
      }}
    >
      {value === null ? (
        <FileTrigger
          acceptedFileTypes={PICTURES}
          onSelect={(files) => take(files?.item(0) ?? null)}
        >
          <Button kind="quiet" isPending={send.isPending}>
            <Icon name="image" size={18} />
            <span className="slot-text">
              {send.isPending ? "Sending…" : label}
              <span className="hint">{hint}</span>
            </span>
          </Button>
        </FileTrigger>
      ) : (
        <Sent key={keyOf(value)} source={value} label={label} onRemove={() => onChange(null)} />
      )}
      <Problems error={send.error} />
      {isPassing(send.error) && (
        <Button
          kind="quiet"
          isPending={send.isPending}
          onPress={() => take(send.variables ?? null)}
        >
          <Icon name="again" size={16} /> Send it again
        </Button>
      )}
    </section>
  );
}

/** A picture that was sent, or is a job's. */
function Sent(props: {
  readonly source: Source;
  readonly label: string;
  readonly onRemove: () => void;
}) {
  const { source, label, onRemove } = props;
  const { data, error } = useQuery(sourceQuery(source));
  // Some browsers do not show every format.
  const [isGone, setGone] = useGone();
  const gone = error instanceof ApiProblem && error.missing;
  return (
    <div className="slot-sent">
      {data === undefined || isGone ? (
        <Icon name="image" size={32} />
      ) : (
        <img src={sourceUrl(source)} alt={label} onError={setGone} />
      )}
      <span className="slot-text">
        {label}
        <span className="hint">
          {data === undefined ? "" : `${data.width} × ${data.height}, ${sizeText(data.size)}`}
        </span>
        {gone && (
          <span className="field-error" role="alert">
            {typeof source === "string"
              ? "The server has it no more: uploads are kept for a while."
              : `The server has it no more: it is a file of ${source.job}, which is gone.`}{" "}
            Take it out or send it again.
          </span>
        )}
      </span>
      <Button kind="quiet" aria-label={`Take out: ${label}`} onPress={onRemove}>
        <Icon name="close" size={16} />
      </Button>
    </div>
  );
}

function sizeText(bytes: number): string {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
