import { expect, test } from "vitest";
import { type LoraTag, withoutTag, withTag, withWeight } from "./loraTags";

const text = "a house <lora:ink:0.8:lbw=OUTALL> by the sea";
const tag: LoraTag = { start: 8, end: 33, name: "ink", weight: 0.8, known: true };

test("a tag is put in, changed and taken out, and the words around it stay", () => {
  expect(withTag("a house", "ink", 1)).toBe("a house <lora:ink:1>");
  expect(withTag("a house", "ink", 1, 2)).toBe("a <lora:ink:1> house");
  expect(withTag("", "ink", 0.5)).toBe("<lora:ink:0.5>");
  expect(withWeight(text, tag, 1.2)).toBe("a house <lora:ink:1.2:lbw=OUTALL> by the sea");
  expect(withoutTag(text, tag)).toBe("a house by the sea");
});

test.each([
  ["<lora:ink>", "<lora:ink:0.5>"],
  ["<lora:ink:1>", "<lora:ink:0.5>"],
  ["<lora:ink:0.2:0.8>", "<lora:ink:0.2:0.5>"],
  ["<lora:ink:te=0.2>", "<lora:ink:te=0.2:unet=0.5>"],
  ["<lora:ink:te=0.2:unet=1>", "<lora:ink:te=0.2:unet=0.5>"],
  ["<lora:ink:lbw=OUTALL>", "<lora:ink:0.5:lbw=OUTALL>"],
])("%s at 0.5 is %s", (before, after) => {
  expect(withWeight(before, { ...tag, start: 0, end: before.length }, 0.5)).toBe(after);
});
