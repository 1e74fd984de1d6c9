/**
 * A sidecar behind a Tauri app's commands.
 *
 * Owns how a message becomes a command and back. Each method is a command of its own name (`rpc.discover` is
 * `rpc_discover`). Its arguments are the method's parameters with camelCase names, `requestId`, and for a request with
 * events `channel`, a Tauri channel, and `channelName`, its name in the contract. On the channel the app sends
 * `{events: [{first_seq, seq, event}, …]}`, merged, several in one message, at a rate that a webview can handle. A
 * command resolves with the result or rejects with the error `{code, message, data}`. `cancel_request {requestId}`
 * cancels. The app owns the process, which outlives the page and may be restarted. The connection ends with each
 * process; the app reports that by its errors, also on the channels of subscriptions.
 */

import { TERMINAL } from "../contract.js";
import { isObject, SidecarError } from "../errors.js";
import type { Transport } from "./transport.js";

/** The part of `@tauri-apps/api/core` that is used; the module itself can be passed. */
export interface TauriCore {
  invoke<Result>(command: string, args?: Record<string, unknown>): Promise<Result>;
  Channel: new <Message>(onmessage?: (message: Message) => void) => object;
}

/**
 * A message on a Tauri channel: events as in the contract's `channel` notification. One may be several merged events,
 * from `first_seq` to `seq`. An event may be split into pieces: the last has its `seq`, the others have the `seq` of
 * the event before.
 */
export interface ChannelMessage {
  events: readonly { first_seq: number; seq: number; event: unknown }[];
}

/** Options of the Tauri transport. */
export interface TauriOptions {
  /** Called with a function that the app calls when its sidecar has ended permanently. */
  onGone?: ((gone: (reason: Error) => void) => void) | undefined;
}

/** Connect to the app's sidecar: `tauriTransport(await import("@tauri-apps/api/core"))`. */
export function tauriTransport(core: TauriCore, options: TauriOptions = {}): Transport {
  const transport = new CommandTransport(core);
  options.onGone?.((reason) => transport.end(reason));
  return transport;
}

/** What `Connection` sends. */
interface Message {
  id?: number;
  method: string;
  params: Record<string, unknown>;
}

/** JSON-RPC's code for an internal error: the app rejected a command, or failed. */
const INTERNAL_ERROR = -32603;

/** The app's errors for a sidecar that has ended, and for one that is not restarted. */
const NO_SIDECAR: ReadonlySet<unknown> = new Set(["SIDECAR_ENDED", "SIDECAR_NOT_RUNNING"]);

/**
 * How long a result waits for the last event, which takes another path and may arrive later. On WebKitGTK it may be
 * lost (wry#1644); the result has the whole text.
 */
const LAST_EVENT_TIMEOUT_MS = 2_000;

class CommandTransport implements Transport {
  readonly #core: TauriCore;
  #onMessage: (line: string) => void = () => undefined;
  readonly #closeHandlers: ((reason: Error) => void)[] = [];
  #reason: Error | undefined;

  constructor(core: TauriCore) {
    this.#core = core;
  }

  send(line: string): Promise<void> {
    if (this.#reason !== undefined) return Promise.reject(this.#reason);
    const message = JSON.parse(line) as Message;
    if (message.id !== undefined) {
      void this.#request(message.id, message.method, message.params);
    } else if (message.method === "$/cancel") {
      // A request that has ended cannot be cancelled; that is not worth reporting.
      this.#core.invoke("cancel_request", { requestId: message.params["id"] }).catch(() => undefined);
    }
    return Promise.resolve();
  }

  onMessage(handler: (line: string) => void): void {
    this.#onMessage = handler;
  }

  onClose(handler: (reason: Error) => void): void {
    if (this.#reason === undefined) this.#closeHandlers.push(handler);
    else handler(this.#reason);
  }

  close(): Promise<void> {
    this.end(new Error("closed by this side"));
    return Promise.resolve();
  }

  end(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    for (const handler of this.#closeHandlers.splice(0)) handler(reason);
  }

  async #request(id: number, method: string, params: Record<string, unknown>): Promise<void> {
    const args: Record<string, unknown> = { requestId: id };
    for (const [name, value] of Object.entries(params)) args[camelCase(name)] = value;
    let lastEvent = Promise.resolve();
    if (typeof params["channel"] === "string" && method !== "unsubscribe") {
      const { channel, ended } = this.#channel(params["channel"]);
      args["channel"] = channel;
      args["channelName"] = params["channel"];
      if (method !== "subscribe") lastEvent = ended;
    }
    let answer: { result?: unknown; error?: unknown };
    try {
      answer = { result: (await this.#core.invoke(method.replaceAll(".", "_"), args)) ?? null };
    } catch (error) {
      answer = { error: asWireError(error) };
    }
    if (this.#endedBy(answer.error)) return;
    await within(LAST_EVENT_TIMEOUT_MS, lastEvent);
    this.#receive({ id, ...answer });
  }

  #channel(name: string): { channel: object; ended: Promise<void> } {
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const channel = new this.#core.Channel<ChannelMessage>(({ events }) => {
      for (const { first_seq, seq, event } of events) {
        if (isObject(event) && this.#endedBy(event["error"])) return;
        this.#receive({ method: "channel", params: { channel: name, first_seq, seq, event } });
        if (isObject(event) && TERMINAL.has(event["status"])) end();
      }
    });
    return { channel, ended };
  }

  /** Ends the connection if the error says that the sidecar has ended; returns whether it does. */
  #endedBy(error: unknown): boolean {
    if (!isObject(error) || !isObject(error["data"]) || !NO_SIDECAR.has(error["data"]["name"])) return false;
    this.end(SidecarError.fromWire(error));
    return true;
  }

  #receive(message: object): void {
    if (this.#reason === undefined) this.#onMessage(JSON.stringify({ jsonrpc: "2.0", ...message }));
  }
}

function within(ms: number, done: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  return Promise.race([done, late]).finally(() => clearTimeout(timer));
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Tauri itself rejects with a string, for example if a command is not allowed. */
function asWireError(error: unknown): object {
  if (isObject(error) && typeof error["code"] === "number") return error;
  const data = { name: "INTERNAL_ERROR", retryable: false, hint: "Check the app's log." };
  return { code: INTERNAL_ERROR, message: error instanceof Error ? error.message : String(error), data };
}
