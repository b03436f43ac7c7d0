import { Icon } from "../ui/Icon";

/** The pictures of a group on one sheet, of a grid with the labels of its axes: to look at, and as
 * a file. */
export function SheetLinks({ group }: { readonly group: string }) {
  const sheet = `/v1/groups/${encodeURIComponent(group)}/sheet?format=`;
  return (
    <>
      <a className="button plain" href={`${sheet}html`} target="_blank" rel="noreferrer">
        Contact sheet
      </a>
      <a className="button plain" href={`${sheet}png`} download={`${group}.png`}>
        <Icon name="download" size={16} /> Sheet as PNG
      </a>
    </>
  );
}
