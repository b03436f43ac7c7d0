import "./DroppedPicture.css";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { InspectionDocument } from "../api/types";
import type { Config, Draft } from "../draft/draft";
import { inspectQuery, pictureIn, refusalOf, upload } from "../picture/uploads";
import { useDrop } from "../picture/useDrop";
import { useObjectUrl } from "../picture/useObjectUrl";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Icon } from "../ui/Icon";
import { Problems } from "../ui/Problems";
import { withReference } from "./Pictures";

interface Props {
  readonly starts: ReadonlySet<string>;
  readonly onChange: (change: (draft: Draft) => Draft) => void;
  /** Takes settings over, and what is to be told of them. */
  readonly onSettings: (config: Config, notes: readonly string[]) => void;
}

/** A picture that is dropped or pasted anywhere: what it says, and what to do with it. */
export function DroppedPicture(props: Props) {
  const [file, setFile] = useState<File | null>(null);
  useDrop(setFile);
  usePaste(setFile);
  if (file === null) return null;
  return <Choices {...props} file={file} close={() => setFile(null)} />;
}

function Choices({
  file,
  starts,
  onChange,
  onSettings,
  close,
}: Props & { readonly file: File; readonly close: () => void }) {
  const url = useObjectUrl(file);
  const refusal = refusalOf(file);
  const { data, error, isPending } = useQuery({
    ...inspectQuery(file),
    enabled: refusal === null,
  });
  const use = useMutation({
    mutationFn: async (as: "image" | "mask" | "reference") => {
      const { id } = await upload(file, as === "mask" ? "mask" : "image");
      onChange((now) => (as === "reference" ? withReference(now, id) : { ...now, [as]: id }));
    },
    onSuccess: close,
  });
  const config = data?.config ?? null;
  const takeSettings = () => {
    const { not_taken_over = [], notes = [] } = data ?? {};
    onSettings(config as unknown as Config, [...not_taken_over, ...notes]);
    close();
  };
  if (refusal !== null) {
    return (
      <Dialog
        title="A picture"
        isOpen
        onClose={close}
        actions={<Button onPress={close}>Close</Button>}
      >
        <Problems error={new Error(refusal)} />
      </Dialog>
    );
  }
  return (
    <Dialog
      title="A picture"
      isOpen
      onClose={close}
      actions={
        <>
          <Button kind="quiet" onPress={close}>
            Cancel
          </Button>
          {starts.has("edit") && (
            <Button isPending={use.isPending} onPress={() => use.mutate("reference")}>
              As reference
            </Button>
          )}
          <Button isPending={use.isPending} onPress={() => use.mutate("mask")}>
            As mask
          </Button>
          <Button isPending={use.isPending} onPress={() => use.mutate("image")}>
            Start from it
          </Button>
          {config !== null && (
            <Button kind="primary" onPress={takeSettings}>
              <Icon name="settings" size={18} /> Take its settings
            </Button>
          )}
        </>
      }
    >
      <div className="dropped">
        {url !== null && <img src={url} alt={file.name} />}
        {error === null && <Said data={data} isPending={isPending} />}
      </div>
      <Problems error={use.error ?? error} />
    </Dialog>
  );
}

/** What a picture says of how it was made, in short. */
function Said(props: {
  readonly data: InspectionDocument | undefined;
  readonly isPending: boolean;
}) {
  if (props.isPending) return <p role="status">Reading what it says…</p>;
  const generation = props.data?.generation ?? null;
  if (generation === null) return <p>It does not say how it was made.</p>;
  const text = (name: string) => {
    const value = generation[name];
    return value === undefined || value === null || value === "" ? null : String(value);
  };
  const model = generation["model"] as { readonly name?: unknown } | null | undefined;
  return (
    <div className="stack-2">
      <p>
        Made by {text("tool") ?? "another tool"}
        {text("seed") !== null && ` with seed ${text("seed")}`}
        {model?.name !== undefined && ` and ${String(model.name)}`}.
      </p>
      <blockquote>{text("prompt") ?? "No prompt"}</blockquote>
    </div>
  );
}

/** Take the picture that is pasted anywhere on the page. */
function usePaste(onPaste: (file: File) => void) {
  useEffect(() => {
    const pasted = (event: ClipboardEvent) => {
      // Office programs copy a picture of a text beside it.
      if (event.clipboardData?.types.includes("text/plain")) return;
      const found = pictureIn(event.clipboardData);
      if (found === null) return;
      event.preventDefault();
      onPaste(found);
    };
    document.addEventListener("paste", pasted);
    return () => document.removeEventListener("paste", pasted);
  }, [onPaste]);
}
