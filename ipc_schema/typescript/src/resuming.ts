/**
 * An answer that outlives its connection.
 *
 * Owns which events the host has seen, so that it is shown each once however often the connection is lost: the sidecar
 * goes on answering, and `resume_session` tells the rest. Knows nothing of how connections are made.
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

/** One answer, over as many connections as it takes. */
export class Resumable {
  readonly #params: object;
  readonly #options: RequestOptions;
  readonly #next: () => Promise<Caller>;
  readonly #sessionId: string;
  readonly #afterSeq: number;
  readonly #stopped = new AbortController();
  #seen = 0;
  #resumed: Caller | undefined;
  #anothers = false;

  /** `next` gives the next connection that is ready. */
  constructor(params: object, options: RequestOptions, next: () => Promise<Caller>) {
    const { session_id, after_seq } = params as { session_id?: string | null; after_seq?: number | null };
    // A new session's id is ours to choose, and without one there would be nothing to resume.
    this.#sessionId = session_id ?? crypto.randomUUID();
    this.#afterSeq = after_seq ?? 0;
    this.#params = { ...params, session_id: this.#sessionId };
    this.#options = options;
    this.#next = next;
  }

  /** Rejects as any request does; with ConnectionClosedError only where nothing can be resumed. */
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
        onEvent: (event, seq, first) => this.#show(event, seq, first),
        signal: this.#stopped.signal,
      });
    } catch (error) {
      if (!(error instanceof ConnectionClosedError)) throw error;
      // Without an event nobody knows whether the sidecar got the message: the turn to resume may be an older one.
      if (this.#seen === 0 && method !== "resume_session") throw error;
      lost = error;
    }
    for (;;) {
      const resumed = await this.#next();
      try {
        return await this.#resume(resumed);
      } catch (error) {
        if (this.#anothers) throw lost;
        if (!(error instanceof ConnectionClosedError)) throw error;
        lost = error;
      } finally {
        this.#resumed = undefined;
      }
    }
  }

  async #resume(connection: Caller): Promise<unknown> {
    const giveUp = new AbortController();
    const seen = this.#seen;
    this.#resumed = connection;
    if (this.#stopped.signal.aborted) this.#cancelTurn(connection);
    const params = { ...this.#ownChannel(), session_id: this.#sessionId, after_seq: seen || this.#afterSeq };
    const result = await connection.request("resume_session", params, {
      onEvent: (event, seq, first) => {
        if (first < seen || (first === seen && !isLast(event))) {
          this.#anothers = true; // ours ended, and the session's last turn is a newer one
          giveUp.abort();
        } else if (!this.#anothers && first > seen) {
          this.#show(event, seq, first); // not the last event again, which is told to who has missed the answer
        }
      },
      signal: giveUp.signal,
    });
    if (this.#anothers) throw SidecarError.cancelled();
    return result;
  }

  #show(event: unknown, seq: number, first: number): void {
    this.#seen = Math.max(this.#seen, seq); // pieces of one event have the number of the one before
    this.#options.onEvent?.(event, seq, first);
  }

  #abort(): void {
    this.#stopped.abort();
    if (this.#resumed !== undefined) this.#cancelTurn(this.#resumed);
  }

  /** To cancel `resume_session` only ends the looking on. */
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
