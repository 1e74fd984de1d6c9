/** A WebSocket in memory. */

import type { WebSocketLike } from "../src/transports/websocket.js";

export class FakeSocket implements WebSocketLike {
  bufferedAmount = 0;
  onopen: WebSocketLike["onopen"] = null;
  onmessage: WebSocketLike["onmessage"] = null;
  onclose: WebSocketLike["onclose"] = null;
  readonly sent: string[] = [];
  closed = false;

  send(data: string): void {
    this.sent.push(data);
  }

  close(): void {
    this.closed = true; // the other side never replies
  }

  opens(): void {
    this.onopen?.({});
  }

  receives(data: string): void {
    this.onmessage?.({ data });
  }

  closes(code: number, reason = ""): void {
    this.onclose?.({ code, reason });
  }
}
