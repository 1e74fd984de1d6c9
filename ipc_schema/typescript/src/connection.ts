/**
 * The calls of one connection.
 *
 * Owns ids, channels and the requests under way: every request settles once, by its answer or when the connection
 * closes. Knows nothing of the contract's types or of the transport's kind.
 */

import { METHODS, type Streaming, TERMINAL } from "./contract.js";
import { ConnectionClosedError, isObject, SidecarError } from "./errors.js";
import type { Transport } from "./transports/transport.js";
import type { MethodName } from "./types.js";

/** What a request takes besides its parameters. */
export interface RequestOptions {
  onEvent?: ((event: unknown, seq: number, firstSeq: number) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Called once, when neither events nor an answer will follow. */
  onEnd?: ((error?: Error) => void) | undefined;
}

/** Sends requests. They reject with SidecarError or ConnectionClosedError. */
export interface Caller {
  request(method: MethodName, params: object, options: RequestOptions): Promise<unknown>;
}

/** A request, or a subscription until its end. */
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

/** How many characters of an invalid line are shown. */
const EXCERPT_CHARS = 200;

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
    // A connection that cannot be written to is lost; closing it rejects every call.
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
      this.#onProblem(new Error(`The sidecar sent a line that is not a message: ${line.slice(0, EXCERPT_CHARS)}`));
    } else if (message["method"] === "channel") {
      this.#receiveEvent(message["params"]);
    } else if (message["method"] === undefined) {
      this.#receiveAnswer(message);
    }
    // Other notifications belong to newer versions of this client.
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
      this.#onProblem(error ?? new Error("The sidecar sent an answer to an unknown request."));
    } else if (error !== undefined) {
      this.#fail(call, error);
    } else {
      this.#pending.delete(call.id);
      call.resolve(message["result"]);
      if (call.streaming !== "subscription") this.#end(call);
      else if (call.signal?.aborted === true) this.#unsubscribe(call); // the cancellation was too late
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

/** The channel of a call: the host's, or a new one if the call has an event handler. */
function channelOf(id: number, streaming: Streaming, params: object, hasHandler: boolean): string | undefined {
  if (streaming === "none") return undefined;
  if ("channel" in params && typeof params.channel === "string") return params.channel;
  return hasHandler || streaming === "subscription" ? `call-${id}` : undefined;
}
