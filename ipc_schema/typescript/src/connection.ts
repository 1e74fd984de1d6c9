/**
 * The calls of one connection.
 *
 * Owns ids, channels, what is under way and what becomes of it when the connection goes: every request settles once,
 * by its answer or with the connection. Knows nothing of the contract's types, nor of what carries the lines.
 */

import { METHODS, type Streaming, TERMINAL } from "./contract.js";
import { ConnectionClosedError, isObject, SidecarError } from "./errors.js";
import type { Transport } from "./transports/transport.js";
import type { MethodName } from "./types.js";

/** What a request takes besides its parameters. */
export interface RequestOptions {
  onEvent?: ((event: unknown, seq: number, firstSeq: number) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Called once, when neither events nor an answer will come any more. */
  onEnd?: ((error?: Error) => void) | undefined;
}

/** What requests are made of. Rejects with SidecarError or ConnectionClosedError. */
export interface Caller {
  request(method: MethodName, params: object, options: RequestOptions): Promise<unknown>;
}

/** A request, and with a subscription what follows it. */
interface Call {
  readonly id: number;
  readonly streaming: Streaming;
  readonly channel: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onEvent: (event: unknown, seq: number, firstSeq: number) => void;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onEnd: (error?: Error) => void;
}

/** How much of a line that can not be read is shown. */
const EXCERPT = 200;

export class Connection implements Caller {
  readonly closed: Promise<ConnectionClosedError>;
  readonly #transport: Transport;
  readonly #onProblem: (problem: unknown) => void;
  readonly #pending = new Map<number, Call>();
  readonly #channels = new Map<string, Call>();
  #nextId = 1;
  #closedBy: ConnectionClosedError | undefined;

  constructor(transport: Transport, onProblem: (problem: unknown) => void) {
    this.#transport = transport;
    this.#onProblem = onProblem;
    this.closed = new Promise((resolve) => {
      transport.onClose((reason) => resolve(this.#close(reason)));
    });
    transport.onMessage((line) => this.#receive(line));
  }

  /** Call a method. Rejects with SidecarError or ConnectionClosedError. */
  request(method: MethodName, params: object, options: RequestOptions): Promise<unknown> {
    const id = this.#nextId++;
    const { signal, onEvent, onEnd } = options;
    const channel = channelOf(id, METHODS[method], params, onEvent !== undefined);
    return new Promise((resolve, reject) => {
      const abort = (): void => this.#abort(call);
      const call: Call = {
        id,
        streaming: METHODS[method],
        channel,
        signal,
        onEvent: onEvent ?? (() => undefined),
        resolve,
        reject,
        onEnd: (error) => {
          signal?.removeEventListener("abort", abort);
          onEnd?.(error);
        },
      };
      try {
        this.#start(call, method, channel === undefined ? params : { ...params, channel });
        signal?.addEventListener("abort", abort, { once: true });
      } catch (error) {
        call.reject(error);
        call.onEnd(error as Error);
      }
    });
  }

  #start(call: Call, method: MethodName, params: object): void {
    if (this.#closedBy !== undefined) throw this.#closedBy;
    if (call.signal?.aborted === true) throw SidecarError.cancelled();
    const line = JSON.stringify({ jsonrpc: "2.0", id: call.id, method, params });
    if (call.channel !== undefined) {
      if (this.#channels.has(call.channel)) throw new TypeError(`The channel ${call.channel} is in use.`);
      this.#channels.set(call.channel, call);
    }
    this.#pending.set(call.id, call);
    this.#send(line);
  }

  #abort(call: Call): void {
    if (this.#pending.has(call.id)) {
      this.#send(JSON.stringify({ jsonrpc: "2.0", method: "$/cancel", params: { id: call.id } }));
    } else {
      this.#unsubscribe(call);
    }
  }

  #unsubscribe(call: Call): void {
    this.request("unsubscribe", { channel: call.channel }, {}).catch((error: unknown) => {
      if (!(error instanceof ConnectionClosedError)) this.#onProblem(error);
    });
  }

  #send(line: string): void {
    // A connection that can not be written to is over; closing it is what tells every call.
    this.#transport.send(line).catch(() => this.#transport.close());
  }

  #receive(line: string): void {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      message = undefined;
    }
    if (!isObject(message)) {
      this.#onProblem(new Error(`The sidecar sent a line that is no message: ${line.slice(0, EXCERPT)}`));
    } else if (message["method"] === "channel") {
      this.#receiveEvent(message["params"]);
    } else if (message["method"] === undefined) {
      this.#receiveAnswer(message);
    }
    // Other notifications are for later versions of this client.
  }

  #receiveEvent(params: unknown): void {
    if (!isObject(params) || !isObject(params["event"])) return;
    const call = this.#channels.get(String(params["channel"]));
    if (call === undefined) return;
    const { seq, first_seq } = params;
    try {
      call.onEvent(params["event"], Number(seq), Number(first_seq ?? seq));
    } catch (error) {
      // A mistake in one handler must not break other calls.
      this.#onProblem(error);
    }
    if (call.streaming === "subscription" && TERMINAL.has(params["event"]["status"])) this.#end(call);
  }

  #receiveAnswer(message: Record<string, unknown>): void {
    const error = "error" in message ? SidecarError.fromWire(message["error"]) : undefined;
    const call = this.#pending.get(message["id"] as number);
    if (call === undefined) {
      this.#onProblem(error ?? new Error("The sidecar sent an answer to no request."));
    } else if (error !== undefined) {
      this.#fail(call, error);
    } else {
      this.#pending.delete(call.id);
      call.resolve(message["result"]);
      if (call.streaming !== "subscription") this.#end(call);
      else if (call.signal?.aborted === true) this.#unsubscribe(call); // the cancellation came too late
    }
  }

  #fail(call: Call, error: Error): void {
    call.reject(error);
    this.#end(call, error);
  }

  #end(call: Call, error?: Error): void {
    this.#pending.delete(call.id);
    if (call.channel !== undefined) this.#channels.delete(call.channel);
    call.onEnd(error);
  }

  #close(reason: Error): ConnectionClosedError {
    const error = new ConnectionClosedError(reason);
    this.#closedBy = error;
    for (const call of new Set([...this.#pending.values(), ...this.#channels.values()])) this.#fail(call, error);
    return error;
  }
}

/** The channel of a call: the host's, or one of ours where events are wanted. */
function channelOf(id: number, streaming: Streaming, params: object, wanted: boolean): string | undefined {
  if (streaming === "none") return undefined;
  if ("channel" in params && typeof params.channel === "string") return params.channel;
  return wanted || streaming === "subscription" ? `call-${id}` : undefined;
}
