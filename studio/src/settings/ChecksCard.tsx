import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Disclosure, DisclosurePanel, Heading } from "react-aria-components";
import { Button } from "../ui/Button";
import { elapsedText, timeText } from "../ui/format";
import { Icon } from "../ui/Icon";
import { Pairs } from "../ui/Pairs";
import { Problems } from "../ui/Problems";
import { openOf, type Section, sectionsOf, summaryOf } from "./checks";
import { type ChecksDocument, checksOf, checksQuery } from "./queries";

/** What is missing around the server and how to get it, as `ninefold doctor` tells it there. */
export function ChecksCard() {
  const queries = useQueryClient();
  const query = useQuery(checksQuery);
  const again = useMutation({
    mutationFn: () => checksOf(0),
    onSuccess: (report) => queries.setQueryData(checksQuery.queryKey, report),
  });
  return (
    <section className="card stack" aria-label="Checks">
      <div className="row spread">
        <h2>Checks</h2>
        <Button isPending={again.isPending || query.isFetching} onPress={() => again.mutate()}>
          <Icon name="again" size={16} />
          Check again
        </Button>
      </div>
      <Problems error={again.error ?? query.error} title="The checks were not made" />
      {query.data === undefined ? (
        query.isPending && <p role="status">The server looks at what it has…</p>
      ) : (
        <Report report={query.data} />
      )}
    </section>
  );
}

function Report({ report: { checks, checked_at, seconds } }: { readonly report: ChecksDocument }) {
  const open = openOf(checks);
  return (
    <>
      <p role="status">
        <strong>{summaryOf(checks)}</strong>{" "}
        <span className="muted small">
          Checked {timeText(checked_at)}, in {elapsedText(seconds * 1000)}.
        </span>
      </p>
      {open.length > 0 && (
        <ul className="findings small" aria-label="What could be mended">
          {open.map(({ section, name, verdict, found, remedy }) => (
            <li key={`${section} ${name} ${found}`}>
              <p>
                <span className={verdict === "missing" ? "bad" : "warn"}>
                  {verdict === "missing" && <Icon name="warning" size={14} />} {verdict}
                </span>{" "}
                <strong>{name}</strong> {found}
              </p>
              <p className="muted">{remedy}</p>
            </li>
          ))}
        </ul>
      )}
      {sectionsOf(checks).map((section) => (
        <SectionOf key={section.id} section={section} />
      ))}
    </>
  );
}

function SectionOf({ section: { label, count, found } }: { readonly section: Section }) {
  return (
    <Disclosure>
      <Heading level={3}>
        <Button slot="trigger" kind="quiet">
          {label} · {count}
          <Icon name="chevron" size={16} />
        </Button>
      </Heading>
      <DisclosurePanel>
        <Pairs pairs={found} />
      </DisclosurePanel>
    </Disclosure>
  );
}
