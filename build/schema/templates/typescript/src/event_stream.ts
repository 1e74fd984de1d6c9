/** Events as an async iterable. Owns the queue between who sends and who reads; knows nothing of requests. */

/** The events of one request. It can be read once. */
export interface EventStream<Event, Result> extends AsyncIterable<Event> {
  /** What the request was answered with. It need not be looked at: an iteration that fails throws the same error. */
  readonly result: Promise<Result>;
}

type Waiting<Event> = { resolve: (result: IteratorResult<Event, undefined>) => void; reject: (error: Error) => void };

/** A queue without a bound: the sidecar merges what a slow host has not read, a slow loop in this process does not. */
export class EventQueue<Event> implements AsyncIterator<Event, undefined> {
  readonly #events: Event[] = [];
  readonly #waiting: Waiting<Event>[] = [];
  readonly #stop: () => void;
  #ended = false;
  #error: Error | undefined;

  /** `stop` is called when the reader leaves before the end. */
  constructor(stop: () => void) {
    this.#stop = stop;
  }

  push(event: Event): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#events.push(event);
    else waiting.resolve({ done: false, value: event });
  }

  /** No more events. The reader still gets those that are queued, then the error if there is one. */
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
