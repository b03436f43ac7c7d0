import "./SignIn.css";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Form } from "react-aria-components";
import { api, dataOf } from "../api/client";
import { Button } from "../ui/Button";
import { TextField } from "../ui/fields";
import { Problems } from "../ui/Problems";
import { signedIn } from "./session";

/** Ask for a key. `ended` where there was a session: what stands behind is kept. */
export function SignIn({ ended }: { readonly ended: boolean }) {
  const queries = useQueryClient();
  const [key, setKey] = useState("");
  const signIn = useMutation({
    mutationFn: () => dataOf(api.POST("/v1/session", { body: { key: key.trim() } })),
    onSuccess: (session) => {
      setKey("");
      signedIn(queries, session);
    },
  });
  return (
    <Form
      className="sign-in card stack"
      onSubmit={(event) => {
        event.preventDefault();
        signIn.mutate();
      }}
    >
      <h1>{ended ? "Your session has ended" : "Sign in"}</h1>
      <p className="muted small">
        {ended
          ? "Sign in again: everything on the page is kept."
          : "This server asks for a key. Whoever runs it makes one with: ninefold keys create"}
      </p>
      <TextField label="Key" type="password" placeholder="nf_…" value={key} onChange={setKey} />
      <Button kind="primary" type="submit" isPending={signIn.isPending} isDisabled={key === ""}>
        Sign in
      </Button>
      <Problems error={signIn.error} />
    </Form>
  );
}
