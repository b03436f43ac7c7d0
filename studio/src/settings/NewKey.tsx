import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Form } from "react-aria-components";
import { api, dataOf } from "../api/client";
import { remember, sessionQuery } from "../session/session";
import { Button } from "../ui/Button";
import { Checks } from "../ui/Checks";
import { NumberField, TextField } from "../ui/fields";
import { Problems } from "../ui/Problems";
import { type KeyDocument, keysQuery, type NewKeyDocument } from "./queries";

type Scope = KeyDocument["scopes"][number];

const SCOPES: readonly { readonly id: Scope; readonly label: string }[] = [
  { id: "submit", label: "submit: send and cancel jobs" },
  { id: "read", label: "read: see its own jobs" },
  { id: "admin", label: "admin: everything, and of everyone" },
];

interface Props {
  /** Whether none was ever made: the server asks for one from then on. */
  readonly first: boolean;
  readonly onMade: (key: NewKeyDocument) => void;
}

/** Make a key. With the first one the page signs in at once, so that its maker goes on. */
export function NewKey({ first, onMade }: Props) {
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [chosen, setScopes] = useState<readonly Scope[]>(["submit", "read"]);
  const [maxQueued, setMaxQueued] = useState<number | null>(null);
  const [rate, setRate] = useState<number | null>(null);
  const scopes: readonly Scope[] = first ? ["submit", "read", "admin"] : chosen;

  const make = useMutation({
    mutationFn: async () => {
      const body = { name: name.trim(), scopes: [...scopes], max_queued: maxQueued, rate };
      const key = await dataOf(api.POST("/v1/keys", { body }));
      // It is shown whatever happens next: nothing else ever holds it.
      onMade(key);
      if (first) {
        const session = await dataOf(api.POST("/v1/session", { body: { key: key.key } }));
        queries.setQueryData(sessionQuery.queryKey, remember(session));
      }
    },
    onSettled: () => void queries.invalidateQueries(keysQuery),
  });
  return (
    <Form
      className="card stack"
      onSubmit={(event) => {
        event.preventDefault();
        make.mutate();
      }}
    >
      <h2>Make a key</h2>
      {first && (
        <p className="small">
          No key was made yet: the server serves this machine alone, without asking. From the first
          key on it asks everyone, from everywhere. This page signs in with the first key, which may
          do everything, and goes on.
        </p>
      )}
      <div className="key-fields">
        <TextField label="Name" hint="Whose it is, or what for." value={name} onChange={setName} />
        {!first && (
          <>
            <NumberField
              label="Jobs that may wait"
              hint="Empty: as many as the server allows."
              value={maxQueued}
              onChange={setMaxQueued}
              minimum={1}
              step={1}
            />
            <NumberField
              label="Requests a second"
              hint="Empty: as many as the server allows."
              value={rate}
              onChange={setRate}
              minimum={0.01}
            />
          </>
        )}
      </div>
      {!first && (
        <Checks
          label="What it may do"
          value={scopes}
          onChange={(found) => setScopes(found as readonly Scope[])}
          choices={SCOPES}
          error={scopes.length === 0 ? "Choose at least one." : undefined}
        />
      )}
      <div>
        <Button
          kind="primary"
          type="submit"
          isPending={make.isPending}
          isDisabled={name.trim() === "" || scopes.length === 0}
        >
          {first ? "Make the first key and sign in" : "Make a key"}
        </Button>
      </div>
      <Problems error={make.error} />
    </Form>
  );
}
