import { DownloadLink } from "../ui/DownloadLink";

/** All files of a group, as one ZIP. */
export function ArchiveLink({ group }: { readonly group: string }) {
  return (
    <DownloadLink href={`/v1/archives?group=${encodeURIComponent(group)}`} name={`${group}.zip`}>
      Download all
    </DownloadLink>
  );
}
