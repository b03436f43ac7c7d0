import { PageHeading } from "./PageHeading";
import { Problems } from "./Problems";

/** A page whose subject has not come, or cannot: why, under what it is called then. */
export function Pending({ error, title }: { readonly error: unknown; readonly title: string }) {
  if (error === null) return <p role="status">Loading…</p>;
  return (
    <div className="stack">
      <PageHeading title={title} />
      <Problems error={error} />
    </div>
  );
}
