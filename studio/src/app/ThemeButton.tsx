import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { chooseTheme, type Theme, useTheme } from "../ui/theme";

const NEXT: Readonly<Record<Theme, Theme>> = { system: "light", light: "dark", dark: "system" };

export function ThemeButton() {
  const theme = useTheme();
  return (
    <Button
      kind="quiet"
      aria-label={`Colours: ${theme}. Change to ${NEXT[theme]}`}
      onPress={() => chooseTheme(NEXT[theme])}
    >
      <Icon name={theme === "dark" ? "moon" : theme === "light" ? "sun" : "contrast"} />
    </Button>
  );
}
