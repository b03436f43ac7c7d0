import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useSession } from "../session/session";
import { Problems } from "../ui/Problems";
import { KeyTable } from "./KeyTable";
import { MadeKey } from "./MadeKey";
import { NewKey } from "./NewKey";
import { keysQuery, type NewKeyDocument } from "./queries";

/** Who may use the server. The text of a key that was just made is here alone, until it is put
 * away. */
export function KeysTab() {
  const session = useSession();
  const keys = useQuery(keysQuery);
  const [made, setMade] = useState<NewKeyDocument | null>(null);
  const first = session?.keyless === true;
  return (
    <div className="stack">
      {made === null ? (
        <NewKey first={first} onMade={setMade} />
      ) : (
        <MadeKey made={made} onDone={() => setMade(null)} />
      )}
      <Problems error={made === null ? keys.error : null} />
      {keys.data !== undefined && <KeyTable keys={keys.data} />}
    </div>
  );
}
