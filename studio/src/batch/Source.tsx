import { useState } from "react";
import { DropZone, FileTrigger } from "react-aria-components";
import { Button } from "../ui/Button";
import { TextField } from "../ui/fields";
import { Icon } from "../ui/Icon";
import { Problems } from "../ui/Problems";
import { textOf } from "./files";

interface Props {
  readonly text: string;
  readonly onChange: (text: string) => void;
}

/** Characters that a field still shows without delay. */
const SHOWN = 200_000;

/** Where rows come from: typed or pasted text, or a file. */
export function Source({ text, onChange }: Props) {
  const [error, setError] = useState<unknown>(null);
  const take = async (file: File | undefined) => {
    if (file === undefined) return;
    try {
      onChange(await textOf(file));
      setError(null);
    } catch (found) {
      setError(found);
    }
  };
  return (
    <DropZone
      className="batch-drop stack"
      aria-label="Drop a file with rows here"
      getDropOperation={() => "copy"}
      onDrop={async ({ items }) => {
        const file = items.find((item) => item.kind === "file");
        const words = items.find((item) => item.kind === "text" && item.types.has("text/plain"));
        const folder = items.find((item) => item.kind === "directory");
        if (file?.kind === "file") await take(await file.getFile());
        else if (folder?.kind === "directory") {
          setError(new Error(`${folder.name} is a folder. Drop a file with rows.`));
        } else if (words?.kind === "text") onChange(await words.getText("text/plain"));
      }}
    >
      {text.length <= SHOWN ? (
        <TextField
          label="Rows"
          rows={7}
          placeholder={"prompt,seed,text_to_image.steps\na red house,7,20\na boat in fog,8,30"}
          hint="A prompt a line, a CSV or TSV table with a head, or JSONL. Paste it, or drop a file."
          value={text}
          onChange={onChange}
        />
      ) : (
        <p>{text.length.toLocaleString()} characters: too many to be edited here.</p>
      )}
      <div className="row">
        <FileTrigger
          acceptedFileTypes={[".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", "text/*"]}
          onSelect={(files) => void take(files?.[0])}
        >
          <Button>
            <Icon name="upload" size={16} />
            Open a file
          </Button>
        </FileTrigger>
        {text !== "" && <Button onPress={() => onChange("")}>Clear</Button>}
      </div>
      <Problems error={error} title="This file cannot be read" />
    </DropZone>
  );
}
