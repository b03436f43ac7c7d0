import { useMutation } from "@tanstack/react-query";
import { signOut, useSession } from "../session/session";
import { Button } from "../ui/Button";
import { type Choice, SelectField } from "../ui/fields";
import { timeText } from "../ui/format";
import { Pairs } from "../ui/Pairs";
import { Problems } from "../ui/Problems";
import { chooseTheme, type Theme, useTheme } from "../ui/theme";

const THEMES: readonly Choice<Theme>[] = [
  { id: "system", label: "As the system" },
  { id: "light", label: "Light" },
  { id: "dark", label: "Dark" },
];

/** What is this browser's own: who is signed in, and how the studio looks. */
export function YouTab() {
  const theme = useTheme();
  return (
    <div className="server-cards">
      <section className="card stack" aria-label="Appearance">
        <h2>Appearance</h2>
        <SelectField label="Colours" value={theme} onChange={chooseTheme} choices={THEMES} />
      </section>
      <SignedIn />
    </div>
  );
}

function SignedIn() {
  const session = useSession();
  const leave = useMutation({ mutationFn: signOut });
  if (session === undefined) return null;
  return (
    <section className="card stack" aria-label="Session">
      <h2>Session</h2>
      {session.keyless ? (
        <p className="small">
          No key was made: whoever uses this machine may do everything, and others nothing.
        </p>
      ) : (
        <Pairs
          pairs={[
            ["Signed in as", session.key?.name ?? ""],
            ["May", session.scopes.join(", ")],
            ["Ends", session.expires_at == null ? "never" : timeText(session.expires_at)],
          ]}
        />
      )}
      {session.signed_in && (
        <div>
          <Button isPending={leave.isPending} onPress={() => leave.mutate()}>
            Sign out
          </Button>
        </div>
      )}
      <Problems error={leave.error} />
    </section>
  );
}
