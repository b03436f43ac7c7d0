import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-aria-components";
import { useSearchParams } from "wouter";
import { api, dataOf } from "../api/client";
import { routes } from "../app/routes";
import { may, useSession } from "../session/session";
import { Button } from "../ui/Button";
import { type Choice, SelectField } from "../ui/fields";
import { timeText } from "../ui/format";
import { Problems } from "../ui/Problems";
import { type WebhookMessage, webhooksQuery } from "./queries";

type State = WebhookMessage["state"];

const STATES: readonly Choice<State | "all">[] = [
  { id: "all", label: "All" },
  { id: "waiting", label: "Waiting", detail: "The job has not ended." },
  { id: "due", label: "Due", detail: "To be sent, or sent again." },
  { id: "delivered", label: "Delivered", detail: "The receiver accepted it." },
  { id: "failed", label: "Failed", detail: "Given up after the last try." },
];

/** The latest deliveries: one's own, or all for an admin. */
export function WebhooksTab() {
  const [search, setSearch] = useSearchParams();
  const state = STATES.find(({ id }) => id === search.get("state"))?.id ?? "all";
  const query = useQuery({
    ...webhooksQuery(state === "all" ? null : state),
    placeholderData: keepPreviousData,
  });
  const all = may(useSession(), "admin");
  return (
    <section className="card stack" aria-label="Webhooks">
      <div className="row spread">
        <p className="muted small">
          The latest 100 messages {all ? "of all keys" : "of your key"}. A job or a group names its
          receiver as <code>webhook</code> when it is sent.
        </p>
        <SelectField
          label="State"
          value={state}
          onChange={(found) =>
            setSearch((before) => {
              before.set("state", found);
              return before;
            })
          }
          choices={STATES}
        />
      </div>
      <Problems error={query.error} />
      {query.data?.length === 0 && <p>There are none.</p>}
      {query.data !== undefined && query.data.length > 0 && <Deliveries messages={query.data} />}
    </section>
  );
}

function Deliveries({ messages }: { readonly messages: readonly WebhookMessage[] }) {
  const queries = useQueryClient();
  const retry = useMutation({
    mutationFn: (id: string) =>
      dataOf(api.POST("/v1/webhooks/{message_id}/retry", { params: { path: { message_id: id } } })),
    onSettled: () => void queries.invalidateQueries({ queryKey: ["webhooks"] }),
  });
  const mayRetry = may(useSession(), "submit");
  return (
    <>
      <Problems error={retry.error} title="It was not sent again" />
      <div className="scroll">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Of</th>
              <th scope="col">To</th>
              <th scope="col">State</th>
              <th scope="col">Tries</th>
              <th scope="col">Last answer</th>
              <th scope="col">When</th>
              <th scope="col">
                <span className="hidden">Send again</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {messages.map((message) => (
              <tr key={message.id}>
                <th scope="row">{subjectOf(message)}</th>
                <td>{message.host}</td>
                <td className={message.state === "failed" ? "bad" : ""}>{message.state}</td>
                <td>{message.tries}</td>
                <td>{message.error ?? message.status ?? "none yet"}</td>
                <td>{whenOf(message)}</td>
                <td>
                  {mayRetry && message.state !== "waiting" && (
                    <Button
                      aria-label={`Send ${message.id} again`}
                      isPending={retry.isPending && retry.variables === message.id}
                      onPress={() => retry.mutate(message.id)}
                    >
                      Send again
                    </Button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function subjectOf({ job, group }: WebhookMessage) {
  if (job != null) return <Link href={routes.job(job)}>job {job}</Link>;
  return group == null ? "deleted" : <Link href={routes.group(group)}>group {group}</Link>;
}

function whenOf({ delivered_at, next_at }: WebhookMessage): string {
  if (delivered_at != null) return timeText(delivered_at);
  return next_at == null ? "" : `next try ${timeText(next_at)}`;
}
