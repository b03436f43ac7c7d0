import { expect, test } from "vitest";
import { type SseEvent, SseParser } from "./sse";

function parsed(...pieces: readonly string[]) {
  const found: [SseEvent, string | null][] = [];
  const parser = new SseParser((event, id) => found.push([event, id]));
  for (const piece of pieces) parser.feed(piece);
  return found;
}

test("events come whole, however the text is cut", () => {
  const text =
    'retry: 1000\n\nid: 7\nevent: progress\ndata: {"a":1,\ndata: "b":2}\n\n: still here\n\n';
  const whole = parsed(text);
  expect(whole).toEqual([[{ name: "progress", data: '{"a":1,\n"b":2}' }, "7"]]);
  expect(parsed(...text)).toEqual(whole);
});

test("lines may end with a carriage return", () => {
  expect(parsed("data: x\r", "\n\r\n")).toEqual([[{ name: "message", data: "x" }, null]]);
});
