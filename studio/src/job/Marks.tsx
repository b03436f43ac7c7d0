import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, dataOf, fileOf } from "../api/client";
import type { JobDocument } from "../api/types";
import { Button } from "../ui/Button";
import { SelectField } from "../ui/fields";
import { Icon } from "../ui/Icon";
import { Problems } from "../ui/Problems";

/** What each verdict means, in a sentence. Never that something is not made by AI. */
const MEANING = {
  intact: "Made by ninefold, and as it left.",
  altered: "Made by ninefold, and changed since.",
  foreign: "It carries marks of another system.",
  unproven: "Nothing can be proved of it.",
} as const;

interface Verdict {
  readonly verdict: keyof typeof MEANING;
  readonly reasons: readonly string[];
}

/** The verdict on a published file: its signature and its watermark, read anew. */
export function Marks({ job }: { readonly job: JobDocument }) {
  const [name, setName] = useState(job.outputs[0]?.name ?? "");
  const [asked, setAsked] = useState(false);
  const output = job.outputs.find((item) => item.name === name);
  const check = useQuery({
    queryKey: ["marks", output?.sha256],
    enabled: asked && output !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }) => {
      const file = await fileOf(output?.url ?? "", signal);
      const body = new FormData();
      body.append("file", file, name.split("/").at(-1));
      return (await dataOf(
        api.POST("/v1/content_provenance_checks", { body: body as never, signal }),
      )) as unknown as Verdict;
    },
  });
  if (output === undefined) return <p className="muted">No file was published yet.</p>;
  return (
    <div className="stack">
      <SelectField
        label="File"
        value={name}
        onChange={setName}
        choices={job.outputs.map((item) => ({
          id: item.name,
          label: item.name.split("/").at(-1) ?? item.name,
        }))}
      />
      {!asked && <Button onPress={() => setAsked(true)}>Check the marks</Button>}
      {check.isFetching && <p role="status">Reading the file…</p>}
      {check.data !== undefined && (
        <div role="status">
          <p className="row">
            <Icon name={check.data.verdict === "intact" ? "check" : "warning"} />
            <strong>{MEANING[check.data.verdict]}</strong>
          </p>
          <ul className="small">
            {check.data.reasons.map((reason) => (
              <li key={reason}>{reason}</li>
            ))}
          </ul>
        </div>
      )}
      <Problems error={check.error} />
    </div>
  );
}
