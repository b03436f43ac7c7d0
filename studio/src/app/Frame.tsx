import "./Frame.css";
import { type ReactNode, useRef } from "react";
import { Link } from "react-aria-components";
import { useLocation } from "wouter";
import { useActivity, useConnected } from "../api/live";
import { useSession, whoOf } from "../session/session";
import { useArrivals } from "../ui/arrival";
import { useBrokenPictures } from "../ui/brokenPictures";
import { Icon, type IconName } from "../ui/Icon";
import { useKeptFocus } from "../ui/keptFocus";
import { useStrayDrops } from "../ui/strayDrops";
import { routes } from "./routes";
import { ThemeButton } from "./ThemeButton";

interface Place {
  readonly href: string;
  readonly label: string;
  readonly icon: IconName;
}

const PLACES: readonly Place[] = [
  { href: routes.compose(), label: "Compose", icon: "compose" },
  { href: routes.queue(), label: "Queue", icon: "queue" },
  { href: routes.library(), label: "Library", icon: "library" },
  { href: routes.batch(), label: "Batch", icon: "batch" },
  { href: routes.settings(), label: "Settings", icon: "settings" },
];

/** What stands around every page: the menu, and where the page's content goes. */
export function Frame({ children }: { readonly children: ReactNode }) {
  const [here] = useLocation();
  const session = useSession();
  useActivity(session === undefined ? null : whoOf(session));
  const isConnected = useConnected();
  const content = useRef<HTMLElement>(null);
  useArrivals(here);
  useKeptFocus();
  useBrokenPictures();
  useStrayDrops();
  return (
    <div className="frame">
      {/* biome-ignore lint/a11y/useValidAnchor: it goes to a place of this page; what is behind # in the
          address is the draft and stays */}
      <a
        className="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault();
          content.current?.focus();
        }}
      >
        Skip to the content
      </a>
      <header className="menu">
        <nav aria-label="Pages">
          <ul>
            {PLACES.map(({ href, label, icon }) => (
              <li key={href}>
                <Link
                  href={href}
                  className="place"
                  {...(isAt(here, href) && { "aria-current": "page" as const })}
                >
                  <Icon name={icon} />
                  <span>{label}</span>
                </Link>
              </li>
            ))}
          </ul>
        </nav>
        <ThemeButton />
      </header>
      <main id="content" ref={content} tabIndex={-1}>
        <div role="status">
          {!isConnected && (
            <p className="lost">
              <Icon name="warning" size={16} />
              The connection was lost. Trying again; nothing is lost.
            </p>
          )}
        </div>
        {children}
      </main>
    </div>
  );
}

function isAt(here: string, href: string): boolean {
  return href === "/" ? here === "/" : here === href || here.startsWith(`${href}/`);
}
