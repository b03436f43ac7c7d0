/** The worker that all pages of a browser share: it holds the one stream, while any page wants it. */

import type { Command, Message } from "./activity";
import { Hub } from "./activityHub";

const hub = new Hub();
const scope = globalThis as unknown as {
  onconnect: ((event: MessageEvent) => void) | null;
};

scope.onconnect = ({ ports: [port] }) => {
  if (port === undefined) return;
  const send = (message: Message) => port.postMessage(message);
  port.onmessage = ({ data }: MessageEvent<Command>) => {
    if (data === "leave") hub.leave(send);
    else hub.join(send);
  };
};
