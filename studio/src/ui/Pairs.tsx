import type { ReactNode } from "react";

type Pair = readonly [name: string, value: ReactNode];

/** Names and what they are, one a line. */
export function Pairs({ pairs }: { readonly pairs: readonly Pair[] }) {
  return (
    <dl className="pairs small">
      {pairs.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
