/** Events as an async iterable. Owns the queue between sender and reader; knows nothing of requests. */

/** The events of one request. They can be read once. */
export interface EventStream<Event, Result> extends AsyncIterable<Event> {
  /** The request's result. It may be ignored: an iteration that fails throws the same error. */
  readonly result: Promise<Result>;
}

type Waiting<Event> = { resolve: (result: IteratorResult<Event, undefined>) => void; reject: (error: Error) => void };

/** A queue without a bound: the sidecar merges events for a slow host, but not for a slow loop in this process. */
export class EventQueue<Event> implements AsyncIterator<Event, undefined> {
  readonly #events: Event[] = [];
  readonly #waiting: Waiting<Event>[] = [];
  readonly #stop: () => void;
  #ended = false;
  #error: Error | undefined;

  /** `stop` is called when the reader leaves early. */
  constructor(stop: () => void) {
    this.#stop = stop;
  }

  push(event: Event): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#events.push(event);
    else waiting.resolve({ done: false, value: event });
  }

  /** Ends the stream. The reader still gets the queued events, then the error if there is one. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const waiting of this.#waiting.splice(0)) {
      if (error === undefined) waiting.resolve({ done: true, value: undefined });
      else waiting.reject(error);
      error = undefined;
    }
    this.#error = error;
  }

  next(): Promise<IteratorResult<Event, undefined>> {
    const event = this.#events.shift();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (!this.#ended) return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    const error = this.#error;
    this.#error = undefined;
    return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error);
  }

  return(): Promise<IteratorResult<Event, undefined>> {
    if (!this.#ended) this.#stop();
    this.#events.length = 0;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }
}
