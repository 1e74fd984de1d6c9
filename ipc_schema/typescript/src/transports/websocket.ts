/**
 * A sidecar behind a WebSocket, for pages that `llama-sidecar serve --web` serves.
 *
 * Owns one socket, from its opening to its end, and the meaning of its close codes. Knows nothing of what the lines
 * contain, and does not reconnect: `link.ts` does that.
 */

import { NotAdmittedError } from "../errors.js";
import type { Transport } from "./transport.js";

/** The sub-protocol: one JSON-RPC message per text frame. An incompatible framing gets another number. */
export const SUBPROTOCOL = "llama-sidecar.v1";

/** The close code for an unknown browser: its token was used elsewhere, or the sidecar was restarted. */
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
  /** Creates the socket. Default: the global WebSocket. */
  open?: ((url: string, protocol: string) => WebSocketLike) | undefined;
  /** How long the socket may take to open. Default 10000. */
  openTimeoutMs?: number | undefined;
}

/** The WebSocket's address for a page: `addressFor(location)`. */
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
    // Without a pending `send`, only `onClose` reports the end.
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
    // The end is reported without the other side's answer, which may take a minute if it hangs.
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
