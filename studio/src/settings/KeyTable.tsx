import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { api } from "../api/client";
import { useSession } from "../session/session";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { countText, timeText } from "../ui/format";
import { Problems } from "../ui/Problems";
import { type KeyDocument, keysQuery } from "./queries";

/** All keys, those in use first; each may be revoked, which is asked about. */
export function KeyTable({ keys }: { readonly keys: readonly KeyDocument[] }) {
  const [asked, setAsked] = useState<KeyDocument | null>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const own = useSession()?.key?.id;
  if (keys.length === 0) return null;
  const sorted = [...keys].sort(
    (one, other) =>
      Number(one.revoked_at != null) - Number(other.revoked_at != null) ||
      other.created_at.localeCompare(one.created_at),
  );
  return (
    <section className="card stack" aria-label="Keys">
      <h2 ref={heading} tabIndex={-1}>
        Keys
      </h2>
      <div className="scroll">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Begins with</th>
              <th scope="col">May</th>
              <th scope="col">Limits</th>
              <th scope="col">Made</th>
              <th scope="col">
                <span className="hidden">Revoke</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {sorted.map((key) => (
              <tr key={key.id} className={key.revoked_at != null ? "muted" : ""}>
                <th scope="row">
                  {key.name}
                  {key.id === own && <span className="muted"> (yours)</span>}
                </th>
                <td>
                  <code>{key.prefix}…</code>
                </td>
                <td>{key.scopes.join(", ")}</td>
                <td>{limitsOf(key)}</td>
                <td>{timeText(key.created_at)}</td>
                <td>
                  {key.revoked_at != null ? (
                    `revoked ${timeText(key.revoked_at)}`
                  ) : (
                    <Button
                      kind="danger"
                      aria-label={`Revoke ${key.name}`}
                      onPress={() => setAsked(key)}
                    >
                      Revoke
                    </Button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {asked !== null && (
        <RevokeDialog
          asked={asked}
          own={asked.id === own}
          onClose={(revoked) => {
            setAsked(null);
            // The button that was pressed is gone then.
            if (revoked) setTimeout(() => heading.current?.focus());
          }}
        />
      )}
    </section>
  );
}

function limitsOf({ rate, max_queued }: KeyDocument): string {
  const limits = [
    ...(max_queued == null ? [] : [`${countText(max_queued)} jobs`]),
    ...(rate == null ? [] : [`${rate} requests/s`]),
  ];
  return limits.length === 0 ? "the server's" : limits.join(", ");
}

interface RevokeProps {
  readonly asked: KeyDocument;
  readonly own: boolean;
  readonly onClose: (revoked: boolean) => void;
}

function RevokeDialog({ asked, own, onClose }: RevokeProps) {
  const queries = useQueryClient();
  const revoke = useMutation({
    mutationFn: () => api.DELETE("/v1/keys/{key_id}", { params: { path: { key_id: asked.id } } }),
    onSuccess: async () => {
      // One's own key takes one's session along, which the next answer tells.
      await queries.invalidateQueries(keysQuery);
      onClose(true);
    },
  });
  return (
    <Dialog
      title={`Revoke the key of ${asked.name}?`}
      isOpen
      isAlert
      onClose={() => onClose(false)}
      actions={
        <>
          <Button autoFocus onPress={() => onClose(false)}>
            Keep
          </Button>
          <Button kind="danger" isPending={revoke.isPending} onPress={() => revoke.mutate()}>
            Revoke
          </Button>
        </>
      }
    >
      <p>
        Whoever uses it is refused from now on, and signed out of the studio. Its jobs stay, and
        those that wait still run. It cannot be undone.
      </p>
      {own && <p className="warn">It is the key that you are signed in with.</p>}
      <Problems error={revoke.error} />
    </Dialog>
  );
}
