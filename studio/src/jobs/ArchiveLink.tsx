import { Icon } from "../ui/Icon";

/** All files of a group, as one ZIP. */
export function ArchiveLink({ group }: { readonly group: string }) {
  return (
    <a
      className="button plain"
      href={`/v1/archives?group=${encodeURIComponent(group)}`}
      download={`${group}.zip`}
    >
      <Icon name="download" size={16} /> Download all
    </a>
  );
}
