import { expect, test } from "vitest";
import type { Message } from "./activity";
import { Hub } from "./activityHub";

function setUp() {
  const streams: ((message: Message) => void)[] = [];
  let open = 0;
  const hub = new Hub((onMessage) => {
    streams.push(onMessage);
    open += 1;
    return () => {
      open -= 1;
    };
  });
  const member = () => {
    const got: string[] = [];
    const send = (message: Message) =>
      got.push(message.kind === "event" ? message.event.name : message.kind);
    return { got, send };
  };
  return { hub, streams, member, openStreams: () => open };
}

const happening = (name: string, data: object): Message => ({
  kind: "event",
  event: { name, data: JSON.stringify(data) },
});

test("ten pages hold one stream, and the last one closes it", () => {
  const { hub, streams, member, openStreams } = setUp();
  const members = Array.from({ length: 10 }, member);
  for (const { send } of members) hub.join(send);
  streams[0]?.(happening("job_queued", { job: "a" }));
  expect(openStreams()).toBe(1);
  expect(members.every(({ got }) => got.join() === "job_queued")).toBe(true);
  for (const { send } of members) hub.leave(send);
  expect(openStreams()).toBe(0);
});

test("who comes later is told how far jobs are that still run", () => {
  const { hub, streams, member } = setUp();
  hub.join(member().send);
  streams[0]?.({ kind: "connected", connected: true });
  for (const job of ["a", "b"]) {
    streams[0]?.(happening("stage_progressed", { job, stage: "text_to_image", done: 1 }));
    streams[0]?.(happening("stage_progressed", { job, stage: "text_to_image", done: 2 }));
  }
  streams[0]?.(happening("job_ended", { job: "a" }));
  const late = member();
  hub.join(late.send);
  expect(late.got).toEqual(["connected", "stage_progressed"]);
});

test("a stream that was refused is opened again when a page asks", () => {
  const { hub, streams, member, openStreams } = setUp();
  const page = member();
  hub.join(page.send);
  streams[0]?.({ kind: "ended", status: 401 });
  expect(openStreams()).toBe(0);
  hub.join(page.send);
  expect([openStreams(), page.got]).toEqual([1, ["ended"]]);
});
