import { DownloadLink } from "../ui/DownloadLink";

/** The pictures of a group on one sheet, of a grid with the labels of its axes: to look at, and as
 * a file. */
export function SheetLinks({ group }: { readonly group: string }) {
  const sheet = `/v1/groups/${encodeURIComponent(group)}/sheet?format=`;
  return (
    <>
      <a className="button plain" href={`${sheet}html`} target="_blank" rel="noreferrer">
        Contact sheet
      </a>
      <DownloadLink href={`${sheet}png`} name={`${group}.png`}>
        Sheet as PNG
      </DownloadLink>
    </>
  );
}
