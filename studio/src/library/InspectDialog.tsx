import { useQuery } from "@tanstack/react-query";
import { useLocation } from "wouter";
import { toJson } from "../api/json";
import type { InspectionDocument } from "../api/types";
import { routes } from "../app/routes";
import { type Config, EMPTY, withConfig } from "../draft/draft";
import { writeDraft } from "../draft/draftAddress";
import { labelOf } from "../forms/schema";
import { inspectQuery } from "../picture/uploads";
import { useObjectUrl } from "../picture/useObjectUrl";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Problems } from "../ui/Problems";

/** What a picture of any tool says of how it was made; its settings can be used. */
export function InspectDialog({
  file,
  onClose,
}: {
  readonly file: File;
  readonly onClose: () => void;
}) {
  const [, navigate] = useLocation();
  const url = useObjectUrl(file);
  const { data: found, error, isPending } = useQuery(inspectQuery(file));
  const config = found?.config ?? null;

  const use = () => {
    writeDraft(withConfig(EMPTY, config as unknown as Config));
    navigate(routes.compose());
  };
  return (
    <Dialog
      title={file.name}
      isOpen
      onClose={onClose}
      actions={
        <>
          <Button onPress={onClose}>Close</Button>
          {config !== null && (
            <Button kind="primary" onPress={use}>
              Use these settings
            </Button>
          )}
        </>
      }
    >
      <div className="said stack">
        {url !== null && <img src={url} alt="" />}
        {isPending && <p role="status">Reading the file…</p>}
        <Problems error={error} title="It cannot be read" />
        {found !== undefined && <Said found={found} />}
      </div>
    </Dialog>
  );
}

function Said({ found }: { readonly found: InspectionDocument }) {
  const facts = Object.entries(found.generation ?? {}).filter(
    ([name, value]) => name !== "other" && value !== null && value !== "",
  );
  return (
    <>
      <p className="muted small">
        {found.format}, {found.width} × {found.height}
        {found.found_in.length > 0 && `, ${found.found_in.join(", ")}`}
      </p>
      {found.generation === null ? (
        <p>It says nothing of how it was made.</p>
      ) : (
        <dl>
          {facts.map(([name, value]) => (
            <div key={name}>
              <dt>{labelOf(name)}</dt>
              <dd>{textOf(value)}</dd>
            </div>
          ))}
        </dl>
      )}
      <Lines title="Not taken over" lines={found.not_taken_over} />
      <Lines title="Done in another way" lines={found.notes} />
      <Lines
        title="Models that are not here"
        lines={found.models
          .filter(({ here }) => here === null || here === undefined)
          .map(({ kind, name }) => `${textOf(kind)}: ${textOf(name)}`)}
      />
    </>
  );
}

function Lines({ title, lines }: { readonly title: string; readonly lines: readonly string[] }) {
  if (lines.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <ul className="small">
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </section>
  );
}

/** A value as a person reads it. */
function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(", ");
  if (typeof value === "object" && value !== null) {
    return "name" in value ? textOf(value.name) : toJson(value);
  }
  return String(value);
}
