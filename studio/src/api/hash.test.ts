import { expect, test } from "vitest";
import { readHash, writeHash } from "./hash";

test("the address holds what is written, behind what else it has", () => {
  history.replaceState(null, "", "/studio/jobs/a/inpaint?show=b.png");
  writeHash({ prompt: "a door & 100 %", mask: "ab" });
  expect(readHash().get("prompt")).toBe("a door & 100 %");
  writeHash({ prompt: null });
  expect(`${location.pathname}${location.search}${location.hash}`).toBe(
    "/studio/jobs/a/inpaint?show=b.png#mask=ab",
  );
  writeHash({ mask: null });
  expect(location.href.endsWith("?show=b.png")).toBe(true);
});
