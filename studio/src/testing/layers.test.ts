import { expect, test } from "vitest";

/** Folders, the lowest first: a module imports its own folder and those on the lines before. */
const LAYERS = [
  ["api"],
  ["ui"],
  ["routes"],
  ["forms"],
  ["draft", "jobs", "picture"],
  ["session"],
  ["lineage", "mask"],
  ["again"],
  ["batch", "compose", "grid", "group", "job", "library", "queue", "settings"],
  ["app"],
];

const sources: Readonly<Record<string, string>> = import.meta.glob(
  ["../*/**/*.{ts,tsx}", "!./**", "!../api/schema.d.ts"],
  { query: "?raw", import: "default", eager: true },
);

/** The folder of a module; `app/routes` is below the rest of `app`. */
function folderOf(path: string): string {
  return path.startsWith("../app/routes") ? "routes" : (path.split("/")[1] ?? "");
}

test("imports only point down", () => {
  const rank = (folder: string) => LAYERS.findIndex((layer) => layer.includes(folder));
  const wrong = Object.entries(sources).flatMap(([path, source]) => {
    const own = folderOf(path);
    const imported = [...source.matchAll(/(?:from|import|import\()\s*"([^"]+)"/g)].flatMap(
      ([, name = ""]) =>
        name.startsWith(".") ? [new URL(name, `file:///src${path.slice(2)}`)] : [],
    );
    return imported
      .map(({ pathname }) => folderOf(pathname.replace("/src", "..")))
      .filter((folder) => folder !== own && !(rank(folder) >= 0 && rank(folder) < rank(own)))
      .map((folder) => `${path.slice(3)} imports ${folder}`);
  });
  expect(Object.keys(sources).length).toBeGreaterThan(100);
  expect(wrong).toEqual([]);
});
