import { useQuery } from "@tanstack/react-query";
import { Disclosure, DisclosurePanel, Heading } from "react-aria-components";
import { modelsQuery } from "../api/queries";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { Pairs } from "../ui/Pairs";
import { Problems } from "../ui/Problems";
import { kindsOf, type ModelEntry, type ModelKind } from "./models";

/** What requests may name, by kind; what is missing and what cannot be used says what to do. */
export function ModelsTab() {
  const query = useQuery(modelsQuery);
  return (
    <div className="stack">
      <div className="row spread">
        <p className="muted">
          New files in the model folders are found at once. <code>ninefold models list</code> and{" "}
          <code>ninefold models show NAME</code> tell more.
        </p>
        <Button isPending={query.isFetching} onPress={() => void query.refetch()}>
          <Icon name="again" size={16} />
          Look again
        </Button>
      </div>
      <Problems error={query.error} />
      {query.data !== undefined &&
        kindsOf(query.data).map((kind) => <Kind key={kind.id} kind={kind} />)}
    </div>
  );
}

/** Kinds with more than this are folded at first. */
const MANY = 12;

function Kind({ kind }: { readonly kind: ModelKind }) {
  const { label, purpose, models } = kind;
  const broken = models.filter(({ error }) => error !== null).length;
  return (
    <Disclosure className="card" defaultExpanded={models.length <= MANY}>
      <div className="row spread">
        <Heading level={2}>
          <Button slot="trigger" kind="quiet">
            {label} · {models.length === 0 ? "none" : models.length}
            <Icon name="chevron" size={16} />
          </Button>
        </Heading>
        {broken > 0 && <span className="bad small">{broken} cannot be used</span>}
      </div>
      <DisclosurePanel>
        <p className="muted small kind-purpose">They {purpose}.</p>
        {models.length === 0 ? (
          <p className="small">
            None was found. Put a file into a model folder, or:{" "}
            <code>ninefold models add FILE</code>
          </p>
        ) : (
          <ul className="models" data-brief={models.every(isBrief) || undefined}>
            {models.map((model) => (
              <li key={model.name}>
                <Model model={model} />
              </li>
            ))}
          </ul>
        )}
      </DisclosurePanel>
    </Disclosure>
  );
}

function isBrief({ facts, abilities, error }: ModelEntry): boolean {
  return facts.length === 0 && abilities.length === 0 && error === null;
}

function Model({ model: { name, facts, abilities, error } }: { readonly model: ModelEntry }) {
  return (
    <>
      <p>
        <strong>{name}</strong> <span className="muted small">{facts.join(" · ")}</span>
      </p>
      {error !== null && (
        <p className="bad small">
          <Icon name="warning" size={14} /> Cannot be used: {error}
        </p>
      )}
      {abilities.length > 0 && <Pairs pairs={abilities} />}
    </>
  );
}
