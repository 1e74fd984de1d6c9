/** A WebSocket in memory, and the sidecar's side of the handshake on it. */

import { createHmac } from "node:crypto";

import type { PageKey } from "../src/transports/handshake.js";
import type { PageKeys } from "../src/transports/page_keys.js";
import type { WebSocketLike } from "../src/transports/websocket.js";

/** A key as it stands in an address. */
export const LINK: PageKey = { name: "name", secret: Buffer.alloc(32, 7).toString("base64url"), isLink: true };

/** Keys that begin with this one. */
export class FakeKeys implements PageKeys {
  kept: PageKey[] = [];
  makeLink: (() => Promise<PageKey>) | undefined;

  constructor(private key: PageKey | undefined = LINK) {}

  current(): Promise<PageKey | undefined> {
    return Promise.resolve(this.key);
  }

  keep(key: PageKey): void {
    this.key = key;
    this.kept.push(key);
  }

  share(makeLink: () => Promise<PageKey>): void {
    this.makeLink = makeLink;
  }
}

/** A sidecar that has a key: it answers what a page says in a handshake. */
export class FakeSidecar {
  #hello: { nonce: string } | undefined;
  #answers: string[] = [];

  constructor(
    readonly host: string,
    readonly secret: string,
  ) {}

  send(text: string): void {
    const message = JSON.parse(text) as { nonce: string; proof?: string };
    if (message.proof === undefined) {
      this.#hello = message;
      this.#answers.push(JSON.stringify({ nonce: "theirs", proof: this.derived("sidecar") }));
    } else {
      this.#answers.push(JSON.stringify({ admitted: message.proof === this.derived("page") }));
    }
  }

  next(): Promise<string> {
    return Promise.resolve(this.#answers.shift() as string);
  }

  derived(role: string): string {
    const text = ["llama-sidecar.v2", role, this.host, this.#hello?.nonce, "theirs"].join("\n");
    return createHmac("sha256", Buffer.from(this.secret, "base64url")).update(text).digest("base64url");
  }

  nameOf(role: string): string {
    const key = Buffer.from(this.derived(role), "base64url");
    return createHmac("sha256", key).update("name").digest().subarray(0, 9).toString("base64url");
  }
}

export class FakeSocket implements WebSocketLike {
  bufferedAmount = 0;
  onopen: WebSocketLike["onopen"] = null;
  onmessage: WebSocketLike["onmessage"] = null;
  onclose: WebSocketLike["onclose"] = null;
  readonly sent: string[] = [];
  closed = false;
  #sidecar: FakeSidecar | undefined;

  send(data: string): void {
    if (this.#sidecar === undefined) {
      this.sent.push(data);
      return;
    }
    const sidecar = this.#sidecar;
    sidecar.send(data);
    if (JSON.parse(data).proof !== undefined) this.#sidecar = undefined;
    void sidecar.next().then((answer) => this.receives(answer));
  }

  close(): void {
    this.closed = true; // the other side never replies
  }

  opens(): void {
    this.onopen?.({});
  }

  /** Opens, and answers the handshake as the sidecar that gave this key. */
  admits(key: PageKey = LINK): void {
    this.#sidecar = new FakeSidecar("127.0.0.1:8123", key.secret);
    this.opens();
  }

  receives(data: string): void {
    this.onmessage?.({ data });
  }

  closes(code: number, reason = ""): void {
    this.onclose?.({ code, reason });
  }
}
