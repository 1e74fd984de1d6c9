/**
 * An answer that outlives its connection.
 *
 * Owns which events the host has received, so that it gets each one once however often the connection is lost: the
 * sidecar continues the answer, and `resume_session` sends the rest. Knows nothing of how connections are made.
 */

import type { Caller, RequestOptions } from "./connection.js";
import { TERMINAL } from "./contract.js";
import { ConnectionClosedError, SidecarError } from "./errors.js";
import type { MethodName } from "./types.js";

/** The methods whose answer can be resumed. */
export const RESUMABLE: ReadonlySet<MethodName> = new Set<MethodName>([
  "send_message",
  "regenerate_message",
  "edit_message",
  "resume_session",
]);

/** One answer, over any number of connections. */
export class Resumable {
  readonly #params: object;
  readonly #options: RequestOptions;
  readonly #next: () => Promise<Caller>;
  readonly #sessionId: string;
  readonly #afterSeq: number;
  readonly #stopped = new AbortController();
  #lastSeq = 0;
  #resumed: Caller | undefined;
  #superseded = false;

  /** `next` returns the next connection that is ready. */
  constructor(params: object, options: RequestOptions, next: () => Promise<Caller>) {
    const { session_id, after_seq } = params as { session_id?: string | null; after_seq?: number | null };
    // The client chooses a new session's id, since an answer can only be resumed by it.
    this.#sessionId = session_id ?? crypto.randomUUID();
    this.#afterSeq = after_seq ?? 0;
    this.#params = { ...params, session_id: this.#sessionId };
    this.#options = options;
    this.#next = next;
  }

  /** Rejects as any request does, but with ConnectionClosedError only if the answer cannot be resumed. */
  async run(connection: Caller, method: MethodName): Promise<unknown> {
    const { signal, onEnd } = this.#options;
    const abort = (): void => this.#abort();
    if (signal?.aborted === true) abort();
    signal?.addEventListener("abort", abort, { once: true });
    try {
      const result = await this.#run(connection, method);
      onEnd?.();
      return result;
    } catch (error) {
      onEnd?.(error as Error);
      throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  async #run(connection: Caller, method: MethodName): Promise<unknown> {
    let lost: ConnectionClosedError;
    try {
      return await connection.request(method, this.#params, {
        onEvent: (event, seq, first) => this.#deliver(event, seq, first),
        signal: this.#stopped.signal,
      });
    } catch (error) {
      if (!(error instanceof ConnectionClosedError)) throw error;
      // Without an event the message may not have arrived, and the session's last turn may be an older one.
      if (this.#lastSeq === 0 && method !== "resume_session") throw error;
      lost = error;
    }
    for (;;) {
      const resumed = await this.#next();
      try {
        return await this.#resume(resumed);
      } catch (error) {
        if (this.#superseded) throw lost;
        if (!(error instanceof ConnectionClosedError)) throw error;
        lost = error;
      } finally {
        this.#resumed = undefined;
      }
    }
  }

  async #resume(connection: Caller): Promise<unknown> {
    const giveUp = new AbortController();
    const lastSeq = this.#lastSeq;
    this.#resumed = connection;
    if (this.#stopped.signal.aborted) this.#cancelTurn(connection);
    const params = { ...this.#ownChannel(), session_id: this.#sessionId, after_seq: lastSeq || this.#afterSeq };
    const result = await connection.request("resume_session", params, {
      onEvent: (event, seq, first) => {
        if (first < lastSeq || (first === lastSeq && !isLast(event))) {
          this.#superseded = true; // this turn has ended, and the session's last turn is a newer one
          giveUp.abort();
        } else if (!this.#superseded && first > lastSeq) {
          this.#deliver(event, seq, first); // the sidecar repeats the last event for a host that missed the answer
        }
      },
      signal: giveUp.signal,
    });
    if (this.#superseded) throw SidecarError.cancelled();
    return result;
  }

  #deliver(event: unknown, seq: number, first: number): void {
    // All pieces of an event except the last have the `seq` of the event before.
    this.#lastSeq = Math.max(this.#lastSeq, seq);
    this.#options.onEvent?.(event, seq, first);
  }

  #abort(): void {
    this.#stopped.abort();
    if (this.#resumed !== undefined) this.#cancelTurn(this.#resumed);
  }

  /** Cancelling `resume_session` would only end its events, not the turn. */
  #cancelTurn(connection: Caller): void {
    connection.request("cancel_message", { session_id: this.#sessionId }, {}).catch(() => undefined);
  }

  #ownChannel(): object {
    return "channel" in this.#params && typeof this.#params.channel === "string" ? { channel: this.#params.channel } : {};
  }
}

function isLast(event: unknown): boolean {
  return TERMINAL.has((event as { status?: unknown }).status);
}
