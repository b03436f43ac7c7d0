import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useRef } from "react";
import { assertServed } from "../api/client";
import { Icon } from "./Icon";
import { Problems } from "./Problems";

interface Props {
  readonly href: string;
  /** What the file is called; else as the server says. */
  readonly name?: string;
  readonly children: ReactNode;
}

/** A file that the server makes when it is asked for. Browsers tell a page nothing of what becomes of
 * a download, so the server is asked first, and what it refuses is said here. */
export function DownloadLink({ href, name = "", children }: Props) {
  const link = useRef<HTMLAnchorElement>(null);
  const isServed = useRef(false);
  const check = useMutation({
    mutationFn: () => assertServed(href),
    onSuccess: () => {
      isServed.current = true;
      link.current?.click();
      isServed.current = false;
    },
  });
  return (
    <>
      <a
        ref={link}
        className="button plain"
        href={href}
        download={name}
        aria-busy={check.isPending || undefined}
        onClick={(event) => {
          if (isServed.current) return;
          event.preventDefault();
          // A double click asks for one file.
          if (event.detail < 2 && !check.isPending) check.mutate();
        }}
      >
        <Icon name="download" size={16} />
        {children}
      </a>
      <Problems error={check.error} title="It cannot be downloaded now: press again later" />
    </>
  );
}
