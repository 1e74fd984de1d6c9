/**
 * A typed client over any transport.
 *
 * Owns the types of calls: each method of the contract becomes a method of the client. Knows nothing of lines,
 * processes or sockets; `connection.ts` owns the requests under way.
 */

import { Connection, type Caller } from "./connection.js";
import { METHODS } from "./contract.js";
import type { ConnectionClosedError } from "./errors.js";
import { EventQueue, type EventStream } from "./event_stream.js";
import type { Transport } from "./transports/transport.js";
import type { MethodName, Methods } from "./types.js";

/** What a call takes besides its parameters. */
export interface CallOptions<Event> {
  /**
   * Called with each event and its `seq`, in order. Without it no events are sent, except to a channel in the
   * parameters. An app that merges events for its page passes the first one's number as `firstSeq`; elsewhere it equals
   * `seq`.
   */
  onEvent?: ((event: Event, seq: number, firstSeq: number) => void) | undefined;
  /** Cancels the request; it is still answered, with CANCELLED. For `subscribe`: ends the subscription. */
  signal?: AbortSignal | undefined;
}

/** Options of a client. */
export interface ClientOptions {
  /**
   * Called with problems that belong to no call: invalid lines, errors about them, exceptions of event handlers.
   * Default: they are written to the console.
   */
  onProblem?: ((problem: unknown) => void) | undefined;
}

type Subscriptions = { [M in MethodName]: (typeof METHODS)[M] extends "subscription" ? M : never }[MethodName];

/** The methods that have events. */
export type StreamingMethodName = {
  [M in MethodName]: (typeof METHODS)[M] extends "none" ? never : M;
}[MethodName];

/** The parameters of a method. A subscription's channel may be left out: the client chooses one. */
export type ParamsOf<M extends MethodName> = M extends Subscriptions
  ? Omit<Methods[M]["params"], "channel"> & { channel?: string | undefined }
  : Methods[M]["params"];

/** The result of a method. */
export type ResultOf<M extends MethodName> = Methods[M]["result"];

/** The events of a method. */
export type EventOf<M extends MethodName> = Methods[M]["events"];

type Call<M extends MethodName> = {} extends ParamsOf<M>
  ? (params?: ParamsOf<M>, options?: CallOptions<EventOf<M>>) => Promise<ResultOf<M>>
  : (params: ParamsOf<M>, options?: CallOptions<EventOf<M>>) => Promise<ResultOf<M>>;

/** The contract's methods, each under its own name. */
export type ClientMethods = { readonly [M in keyof Methods]: Call<M> };

/** A connection to a sidecar. */
export interface Client extends ClientMethods {
  /**
   * Call a method and iterate over its events. The last one is `done`, `error` or `cancelled`; where the request
   * failed, its error is thrown after it. Leaving the loop early cancels the request.
   */
  stream<M extends StreamingMethodName>(
    method: M,
    params: ParamsOf<M>,
    options?: { signal?: AbortSignal | undefined },
  ): EventStream<EventOf<M>, ResultOf<M>>;

  /** End the connection; calls under way reject. Resolves when it has ended. */
  close(): Promise<void>;

  /** Resolves when the connection is gone, with the reason. */
  readonly closed: Promise<ConnectionClosedError>;
}

/** A client that owns this connection. */
export function createClient(transport: Transport, options: ClientOptions = {}): Client {
  const connection = new Connection(transport, options.onProblem ?? ((problem) => console.error(problem)));
  return clientOf({
    request: (method, params, call) => connection.request(method, params, call),
    close: () => transport.close(),
    closed: connection.closed,
  });
}

/** A client that sends its requests through this caller. */
export function clientOf(caller: Caller & Pick<Client, "close" | "closed">): Client {
  const methods = Object.keys(METHODS).map((method) => [
    method,
    (params: object = {}, call: CallOptions<never> = {}) =>
      caller.request(method as MethodName, params, call as CallOptions<unknown>),
  ]);
  return {
    ...(Object.fromEntries(methods) as ClientMethods),
    stream: (method, params, streamOptions) => stream(caller, method, params, streamOptions?.signal),
    close: () => caller.close(),
    closed: caller.closed,
  };
}

function stream<M extends StreamingMethodName>(
  caller: Caller,
  method: M,
  params: object,
  signal: AbortSignal | undefined,
): EventStream<EventOf<M>, ResultOf<M>> {
  const stopped = new AbortController();
  const queue = new EventQueue<EventOf<M>>(() => stopped.abort());
  const stop = (): void => stopped.abort();
  if (signal?.aborted === true) stop();
  signal?.addEventListener("abort", stop, { once: true });
  const result = caller.request(method, params, {
    onEvent: (event) => queue.push(event as EventOf<M>),
    signal: stopped.signal,
    onEnd: (error) => {
      signal?.removeEventListener("abort", stop);
      queue.end(error);
    },
  }) as Promise<ResultOf<M>>;
  // A reader that only iterates gets the failure from the iterator.
  result.catch(() => undefined);
  return { result, [Symbol.asyncIterator]: () => queue };
}
