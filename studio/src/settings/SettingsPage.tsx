import { PageHeading } from "../ui/PageHeading";
import "../ui/table.css";
import "../ui/tabs.css";
import "./SettingsPage.css";
import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { useSearchParams } from "wouter";
import { may, type Session, useSession } from "../session/session";
import { KeysTab } from "./KeysTab";
import { LimitsTab } from "./LimitsTab";
import { ModelsTab } from "./ModelsTab";
import { ServerTab } from "./ServerTab";
import { WebhooksTab } from "./WebhooksTab";
import { YouTab } from "./YouTab";

interface Place {
  readonly id: string;
  readonly label: string;
  /** What it takes to see it. */
  readonly scope?: "read" | "admin";
  readonly content: () => React.JSX.Element;
}

const PLACES: readonly Place[] = [
  { id: "models", label: "Models", content: ModelsTab },
  { id: "keys", label: "Keys", scope: "admin", content: KeysTab },
  { id: "webhooks", label: "Webhooks", scope: "read", content: WebhooksTab },
  { id: "server", label: "Server", scope: "admin", content: ServerTab },
  { id: "limits", label: "Limits", content: LimitsTab },
  { id: "you", label: "You", content: YouTab },
];

/** What the server has and how it is, who may use it, and how the studio looks. */
export default function SettingsPage() {
  const session = useSession();
  const [search, setSearch] = useSearchParams();
  const found = PLACES.find(({ id }) => id === search.get("tab"))?.id ?? "models";
  return (
    <article className="settings">
      <PageHeading title="Settings" />
      <Tabs
        selectedKey={found}
        // What a tab filters by is its own.
        onSelectionChange={(key) => setSearch({ tab: String(key) })}
      >
        <TabList aria-label="Settings" className="tabs">
          {PLACES.map(({ id, label }) => (
            <Tab key={id} id={id}>
              {label}
            </Tab>
          ))}
        </TabList>
        {PLACES.map((place) => (
          <TabPanel key={place.id} id={place.id}>
            <Shown place={place} session={session} />
          </TabPanel>
        ))}
      </Tabs>
    </article>
  );
}

interface ShownProps {
  readonly place: Place;
  readonly session: Session | undefined;
}

/** What a tab has, or which scope it takes. */
function Shown({ place: { label, scope, content: Content }, session }: ShownProps) {
  if (scope === undefined || may(session, scope)) return <Content />;
  return (
    <p>
      {label} can be seen with a key that has the scope <code>{scope}</code>. Yours has{" "}
      {session?.scopes.join(", ") || "none"}.
    </p>
  );
}
