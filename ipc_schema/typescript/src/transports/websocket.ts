/**
 * A sidecar behind a WebSocket, for pages that `llama-sidecar serve --web` serves.
 *
 * Owns one socket, from its opening to its end, and what its close codes mean. Knows nothing of what the lines say, and
 * opens no second one: `link.ts` does that.
 */

import { NotAdmittedError } from "../errors.js";
import type { Transport } from "./transport.js";

/** The sub-protocol: one JSON-RPC message a text frame. Another number is another way of talking. */
export const SUBPROTOCOL = "llama-sidecar.v1";

/** The close code of a sidecar that does not know this browser: its token was used elsewhere, or it was started anew. */
export const NOT_ADMITTED = 4401;

/** A sidecar on this machine answers in milliseconds; a tunnel to another one takes longer. */
const OPEN_TIMEOUT_MS = 10_000;

/** Unsent bytes beyond which `send` waits: a message with some images goes through without. */
const FULL_BYTES = 1024 * 1024;

/** A browser does not say when there is room again. */
const ROOM_POLL_MS = 10;

/** What is used of a WebSocket; that of browsers and of Node 22 is one. */
export interface WebSocketLike {
  readonly bufferedAmount: number;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

/** Where to connect to, and with what. */
export interface WebSocketOptions {
  /** Such as "ws://127.0.0.1:8123/rpc"; `addressFor` tells it. */
  url: string;
  /** Makes the socket. Default: the global WebSocket. */
  open?: ((url: string, protocol: string) => WebSocketLike) | undefined;
  /** How long the socket may take to open. Default 10000. */
  openTimeoutMs?: number | undefined;
}

/** The WebSocket's address beside a page: `addressFor(location)`. */
export function addressFor(page: { readonly protocol: string; readonly host: string }): string {
  return `${page.protocol === "https:" ? "wss:" : "ws:"}//${page.host}/rpc`;
}

/** Connect to a sidecar. Lines that are sent before the socket is open wait for it. */
export function openWebSocket(options: WebSocketOptions): Transport {
  return new SocketTransport(options);
}

class SocketTransport implements Transport {
  readonly #socket: WebSocketLike;
  readonly #opened: Promise<void>;
  readonly #ended: Promise<void>;
  #onMessage: ((line: string) => void) | undefined;
  readonly #early: string[] = [];
  readonly #closeHandlers: ((reason: Error) => void)[] = [];
  #reason: Error | undefined;

  constructor(options: WebSocketOptions) {
    const { openTimeoutMs = OPEN_TIMEOUT_MS } = options;
    const socket = (options.open ?? openGlobal)(options.url, SUBPROTOCOL);
    this.#socket = socket;
    this.#opened = new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#end(new Error(`no connection within ${openTimeoutMs} ms`));
        socket.close();
      }, openTimeoutMs);
      socket.onopen = () => {
        clearTimeout(late);
        resolve();
      };
      this.onClose((reason) => {
        clearTimeout(late);
        reject(reason);
      });
    });
    // Who sends nothing before the end is told of it by `onClose`.
    this.#opened.catch(() => undefined);
    this.#ended = new Promise((resolve) => this.onClose(() => resolve()));
    socket.onmessage = (event: { data: unknown }) => this.#receive(event.data);
    socket.onclose = (event: { code: number; reason: string }) => this.#end(reasonOf(event.code, event.reason));
  }

  async send(line: string): Promise<void> {
    await this.#opened;
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
    // The other side need not agree: its answer may take a minute where it hangs.
    this.#end(new Error("closed by this side"));
    this.#socket.close(1000);
    return this.#ended;
  }

  #receive(data: unknown): void {
    if (this.#reason !== undefined || typeof data !== "string") return;
    if (this.#onMessage === undefined) this.#early.push(data);
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
