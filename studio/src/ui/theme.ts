import { useSyncExternalStore } from "react";

/** As the system has it, unless chosen. */
export type Theme = "system" | "light" | "dark";

const NAME = "ninefold.theme";
const listeners = new Set<() => void>();

function chosenTheme(): Theme {
  const found = localStorage.getItem(NAME);
  return found === "light" || found === "dark" ? found : "system";
}

export function chooseTheme(theme: Theme): void {
  if (theme === "system") localStorage.removeItem(NAME);
  else localStorage.setItem(NAME, theme);
  applyTheme();
  for (const listener of listeners) listener();
}

/** Have the page look as chosen. */
export function applyTheme(): void {
  document.documentElement.dataset["theme"] = chosenTheme();
}

export function useTheme(): Theme {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, chosenTheme);
}
