/** Chooses what carries the lines: the desktop window's own channel, or a WebSocket in a browser. */

import type { Transport } from "@llama-sidecar/client";
import { openWebSocket } from "./websocket";

export function openTransport(): Promise<Transport> {
  return openWebSocket();
}
