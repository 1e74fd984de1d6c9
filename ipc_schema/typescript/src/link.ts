/**
 * A client that reconnects.
 *
 * Owns when the next connection is tried, that each begins with `initialize`, and that an answer under way continues
 * over the next one. Every other call under way rejects with the connection's ConnectionClosedError. So does a call
 * without a connection: a queued call might be sent when the user no longer expects it. Knows nothing of sockets.
 */

import { clientOf, type Client, type ClientOptions } from "./client.js";
import { Connection, type Caller, type RequestOptions } from "./connection.js";
import { CONTRACT_VERSION } from "./contract.js";
import { ConnectionClosedError, NotAdmittedError, SidecarError } from "./errors.js";
import { Resumable, RESUMABLE } from "./resuming.js";
import type { Transport } from "./transports/transport.js";
import type { ClientInfo, InitializeResult, MethodName } from "./types.js";

/** The state of the connection; a new object at each change. */
export type LinkState =
  | { readonly status: "connecting" }
  | { readonly status: "ready"; readonly sidecar: InitializeResult }
  /** It was lost or could not be opened; the next one is tried after `retryInMs`. */
  | { readonly status: "waiting"; readonly error: Error; readonly retryInMs: number }
  /** Permanent: closed by this side, not admitted, or a sidecar of another major version. */
  | { readonly status: "closed"; readonly error: Error };

/** Options of a link. */
export interface LinkOptions extends ClientOptions {
  /** Opens a connection: `() => openWebSocket({ url: addressFor(location), keys })`. */
  connect: () => Transport;
  /** The page's name and version, for `initialize`. */
  client?: ClientInfo | undefined;
  /**
   * Called on each new connection, before the state becomes `ready`: the place to subscribe, since subscriptions end
   * with their connection. An exception is passed to `onProblem`, and the connection is used all the same.
   */
  onReady?: ((client: Client, sidecar: InitializeResult) => void) | undefined;
  /** Waits between tries; the last one repeats. Default: from 250 ms up to 5 s. */
  retryDelaysMs?: readonly number[] | undefined;
  /** How long `initialize` may take. Default 30000. */
  initializeTimeoutMs?: number | undefined;
}

/** A client and its connection. */
export interface Link {
  /** The same client across all connections. Its `closed` resolves when the link is closed permanently. */
  readonly client: Client;
  readonly state: LinkState;
  /** Call a listener with each new state; returns a function that removes it. */
  onState(listener: (state: LinkState) => void): () => void;
  /** Skip the wait before the next try. */
  retry(): void;
  /** Close permanently. Safe to call twice. */
  close(): Promise<void>;
}

/** Reconnects soon after a wake-up or a restart of the sidecar, and rarely when the sidecar is gone. */
const RETRY_DELAYS_MS = [250, 500, 1_000, 2_000, 5_000];

/** The first `initialize` waits for a sidecar that is still starting, with a large history to read. */
const INITIALIZE_TIMEOUT_MS = 30_000;

/** Keep a client connected. */
export function keepConnected(options: LinkOptions): Link {
  return new ReconnectingLink(options);
}

class ReconnectingLink implements Link, Caller {
  readonly client: Client;
  readonly closed: Promise<ConnectionClosedError>;
  readonly #options: LinkOptions;
  readonly #onProblem: (problem: unknown) => void;
  readonly #listeners = new Set<(state: LinkState) => void>();
  readonly #waiting = new Set<{ resolve: (caller: Caller) => void; reject: (error: Error) => void }>();
  #state: LinkState = { status: "connecting" };
  #transport: Transport | undefined;
  #connection: Connection | undefined;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closedError = new ConnectionClosedError(new Error("it is not open yet"));
  #resolveClosed: (error: ConnectionClosedError) => void = () => undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#onProblem = options.onProblem ?? ((problem) => console.error(problem));
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    this.client = clientOf(this);
    this.#connect();
  }

  get state(): LinkState {
    return this.#state;
  }

  onState(listener: (state: LinkState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  retry(): void {
    if (this.#state.status !== "waiting") return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  async close(): Promise<void> {
    this.#closePermanently(new Error("closed by this side"));
    await this.#transport?.close();
  }

  request(method: MethodName, params: object, options: RequestOptions): Promise<unknown> {
    const connection = this.#connection;
    if (connection === undefined) {
      options.onEnd?.(this.#closedError);
      return Promise.reject(this.#closedError);
    }
    if (!RESUMABLE.has(method)) return connection.request(method, params, options);
    return new Resumable(params, options, () => this.#next()).run(connection, method);
  }

  #connect(): void {
    this.#setState({ status: "connecting" });
    let transport: Transport;
    try {
      transport = this.#options.connect();
    } catch (error) {
      this.#connectionLost(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.#transport = transport;
    const connection = new Connection(transport, this.#onProblem);
    void this.#initialize(connection, transport);
    void connection.closed.then((error) => {
      if (this.#transport !== transport) return;
      this.#connection = undefined;
      this.#closedError = error;
      this.#connectionLost(error.cause as Error);
    });
  }

  async #initialize(connection: Connection, transport: Transport): Promise<void> {
    const params = { contract_version: CONTRACT_VERSION, client: this.#options.client };
    const late = setTimeout(() => void transport.close(), this.#options.initializeTimeoutMs ?? INITIALIZE_TIMEOUT_MS);
    try {
      const sidecar = (await connection.request("initialize", params, {})) as InitializeResult;
      if (this.#state.status === "closed" || this.#transport !== transport) return;
      this.#use(connection, sidecar);
    } catch (error) {
      if (error instanceof SidecarError && error.errorName === "NOT_SUPPORTED") this.#closePermanently(error);
      void transport.close(); // reports the connection as lost, if it is not yet
    } finally {
      clearTimeout(late);
    }
  }

  #use(connection: Connection, sidecar: InitializeResult): void {
    this.#failures = 0;
    this.#connection = connection;
    try {
      this.#options.onReady?.(this.client, sidecar);
    } catch (error) {
      this.#onProblem(error);
    }
    this.#setState({ status: "ready", sidecar });
    for (const { resolve } of this.#takeWaiting()) resolve(connection);
  }

  #connectionLost(error: Error): void {
    if (this.#state.status === "closed") return;
    if (error instanceof NotAdmittedError) {
      this.#closePermanently(error);
      return;
    }
    const delays = this.#options.retryDelaysMs ?? RETRY_DELAYS_MS;
    const delay = delays[Math.min(this.#failures++, delays.length - 1)] ?? 0;
    // Jitter, so that pages that lost the same sidecar do not all reconnect together.
    const retryInMs = delay * (0.75 + Math.random() / 4);
    this.#timer = setTimeout(() => this.#connect(), retryInMs);
    this.#setState({ status: "waiting", error, retryInMs });
  }

  #closePermanently(error: Error): void {
    if (this.#state.status === "closed") return;
    clearTimeout(this.#timer);
    this.#connection = undefined;
    this.#closedError = new ConnectionClosedError(error);
    for (const { reject } of this.#takeWaiting()) reject(this.#closedError);
    this.#resolveClosed(this.#closedError);
    this.#setState({ status: "closed", error });
  }

  /** The next connection that is ready; rejects when the link is closed. */
  #next(): Promise<Caller> {
    if (this.#connection !== undefined) return Promise.resolve(this.#connection);
    if (this.#state.status === "closed") return Promise.reject(this.#closedError);
    return new Promise((resolve, reject) => this.#waiting.add({ resolve, reject }));
  }

  #takeWaiting() {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    return waiting;
  }

  #setState(state: LinkState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) {
      try {
        listener(state);
      } catch (error) {
        this.#onProblem(error);
      }
    }
  }
}
