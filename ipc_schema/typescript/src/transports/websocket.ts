/**
 * A sidecar behind a WebSocket, for pages that `llama-sidecar serve --web` serves.
 *
 * Owns one socket, from its opening to its end, and the meaning of its close codes. Knows nothing of what the lines
 * contain, and does not reconnect: `link.ts` does that.
 */

import { NotAdmittedError } from "../errors.js";
import { type PageKey, type Purpose, shakeHands, SUBPROTOCOL } from "./handshake.js";
import { type PageKeys, pageKeys } from "./page_keys.js";
import type { Transport } from "./transport.js";

export { type PageKey, SUBPROTOCOL } from "./handshake.js";
export { type PageKeys, pageKeys } from "./page_keys.js";

/** The close code for an unknown page: its link was used elsewhere, or the sidecar was restarted. */
export const NOT_ADMITTED = 4401;

/** A sidecar on this machine answers in milliseconds; a tunnel to another one takes longer. */
const OPEN_TIMEOUT_MS = 10_000;

/** Unsent bytes beyond which `send` waits. A message with a few images stays below it. */
const FULL_BYTES = 1024 * 1024;

/** A browser has no event for free room in its buffer. */
const ROOM_POLL_MS = 10;

/** The part of a WebSocket that is used; those of browsers and of Node 22 have it. */
export interface WebSocketLike {
  readonly bufferedAmount: number;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

/** Options of a WebSocket connection. */
export interface WebSocketOptions {
  /** Such as "ws://127.0.0.1:8123/rpc"; `addressFor` returns it. */
  url: string;
  /** Where the page's key is. Default: `pageKeys()`, made once. */
  keys?: PageKeys | undefined;
  /** Creates the socket. Default: the global WebSocket. */
  open?: ((url: string, protocol: string) => WebSocketLike) | undefined;
  /** How long the socket may take to open. Default 10000. */
  openTimeoutMs?: number | undefined;
}

/** The WebSocket's address for a page: `addressFor(location)`. */
export function addressFor(page: { readonly protocol: string; readonly host: string }): string {
  return `${page.protocol === "https:" ? "wss:" : "ws:"}//${page.host}/rpc`;
}

let ownKeys: PageKeys | undefined;

/** Connect to a sidecar. Lines that are sent before the page is admitted wait for that. */
export function openWebSocket(options: WebSocketOptions): Transport {
  const keys = options.keys ?? (ownKeys ??= pageKeys());
  keys.share(() => makeLink({ ...options, keys }));
  return new SocketTransport(options, keys, "session");
}

/** A link for another tab, from the sidecar that this page is connected with. */
async function makeLink(options: WebSocketOptions & { keys: PageKeys }): Promise<PageKey> {
  const transport = new SocketTransport(options, options.keys, "link");
  try {
    return await transport.admitted;
  } finally {
    void transport.close();
  }
}

class SocketTransport implements Transport {
  /** The key that the handshake ended with. */
  readonly admitted: Promise<PageKey>;
  readonly #socket: WebSocketLike;
  readonly #ended: Promise<void>;
  #onHandshake: ((line: string) => void) | undefined;
  #onMessage: ((line: string) => void) | undefined;
  readonly #early: string[] = [];
  readonly #closeHandlers: ((reason: Error) => void)[] = [];
  #reason: Error | undefined;

  constructor(options: WebSocketOptions, keys: PageKeys, purpose: Purpose) {
    const { openTimeoutMs = OPEN_TIMEOUT_MS } = options;
    const socket = (options.open ?? openGlobal)(options.url, SUBPROTOCOL);
    this.#socket = socket;
    const late = setTimeout(() => {
      this.#end(new Error(`no connection within ${openTimeoutMs} ms`));
      socket.close();
    }, openTimeoutMs);
    this.onClose(() => clearTimeout(late));
    const opened = new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      this.onClose(reject);
    });
    this.admitted = opened.then(() => this.#enter(new URL(options.url).host, keys, purpose));
    this.admitted.then(
      () => clearTimeout(late),
      (reason: Error) => {
        // Without a pending `send`, only `onClose` reports the end.
        this.#end(reason);
        socket.close();
      },
    );
    this.#ended = new Promise((resolve) => this.onClose(() => resolve()));
    socket.onmessage = (event: { data: unknown }) => this.#receive(event.data);
    socket.onclose = (event: { code: number; reason: string }) => this.#end(reasonOf(event.code, event.reason));
  }

  async send(line: string): Promise<void> {
    await this.admitted;
    if (this.#reason !== undefined) throw this.#reason;
    this.#socket.send(line);
    while (this.#reason === undefined && this.#socket.bufferedAmount > FULL_BYTES) {
      await new Promise((resolve) => setTimeout(resolve, ROOM_POLL_MS));
    }
  }

  onMessage(handler: (line: string) => void): void {
    this.#onMessage = handler;
    for (const line of this.#early.splice(0)) handler(line);
  }

  onClose(handler: (reason: Error) => void): void {
    if (this.#reason === undefined) this.#closeHandlers.push(handler);
    else handler(this.#reason);
  }

  close(): Promise<void> {
    // The end is reported without the other side's answer, which may take a minute if it hangs.
    this.#end(new Error("closed by this side"));
    this.#socket.close(1000);
    return this.#ended;
  }

  async #enter(host: string, keys: PageKeys, purpose: Purpose): Promise<PageKey> {
    const key = await keys.current();
    if (key === undefined) throw new NotAdmittedError();
    const arrived: string[] = [];
    let wake: () => void = () => undefined;
    this.#onHandshake = (line) => {
      arrived.push(line);
      wake();
    };
    const next = async () => {
      await new Promise<void>((resolve, reject) => {
        this.onClose(reject);
        wake = resolve;
        if (arrived.length > 0) resolve();
      });
      return arrived.shift() as string;
    };
    const admitted = await shakeHands({ send: (text) => this.#socket.send(text), next }, host, key, purpose);
    this.#onHandshake = undefined;
    if (key.isLink) keys.keep(admitted);
    return admitted;
  }

  #receive(data: unknown): void {
    if (this.#reason !== undefined || typeof data !== "string") return;
    if (this.#onHandshake !== undefined) this.#onHandshake(data);
    else if (this.#onMessage === undefined) this.#early.push(data);
    else this.#onMessage(data);
  }

  #end(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    for (const handler of this.#closeHandlers.splice(0)) handler(reason);
  }
}

function openGlobal(url: string, protocol: string): WebSocketLike {
  const { WebSocket } = globalThis as unknown as { WebSocket: new (url: string, protocol: string) => WebSocketLike };
  return new WebSocket(url, protocol);
}

function reasonOf(code: number, reason: string): Error {
  if (code === NOT_ADMITTED) return new NotAdmittedError();
  return new Error(reason === "" ? `the socket was closed with code ${code}` : reason);
}
