/** What an address holds behind `#`: it outlives a reload, and is never sent to a server. */
export function readHash(): URLSearchParams {
  return new URLSearchParams(location.hash.slice(1));
}

/** Have the address hold these behind `#`; `null` takes one out. */
export function writeHash(changes: Readonly<Record<string, string | null>>): void {
  const held = readHash();
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) held.delete(name);
    else held.set(name, value);
  }
  const url = new URL(location.href);
  url.hash = held.toString();
  history.replaceState(history.state, "", url);
}
