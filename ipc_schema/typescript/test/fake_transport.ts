/** A transport in memory: the test reads what was sent and chooses what arrives. */

import type { Transport } from "../src/index.js";

interface Sent {
  id?: number;
  method: string;
  params: Record<string, unknown>;
}

export class FakeTransport implements Transport {
  readonly sent: Sent[] = [];
  broken = false;
  #onMessage: (line: string) => void = () => undefined;
  #onClose: (reason: Error) => void = () => undefined;

  send(line: string): Promise<void> {
    if (this.broken) return Promise.reject(new Error("broken pipe"));
    this.sent.push(JSON.parse(line) as Sent);
    return Promise.resolve();
  }

  onMessage(handler: (line: string) => void): void {
    this.#onMessage = handler;
  }

  onClose(handler: (reason: Error) => void): void {
    this.#onClose = handler;
  }

  close(): Promise<void> {
    this.end("closed by the host");
    return Promise.resolve();
  }

  /** The only request of this method. */
  request(method: string): Sent & { id: number } {
    const [sent, ...others] = this.sent.filter((message) => message.method === method);
    if (sent?.id === undefined || others.length > 0) throw new Error(`not one request for ${method}`);
    return { ...sent, id: sent.id };
  }

  receive(message: object): void {
    this.#onMessage(JSON.stringify({ jsonrpc: "2.0", ...message }));
  }

  receiveLine(line: string): void {
    this.#onMessage(line);
  }

  event(channel: unknown, seq: number, event: object): void {
    this.receive({ method: "channel", params: { channel, seq, event } });
  }

  answer(method: string, result: unknown): void {
    this.receive({ id: this.request(method).id, result });
  }

  fail(method: string, code: number, name: string, more: object = {}): void {
    const data = { name, retryable: false, hint: "Do something else.", ...more };
    this.receive({ id: this.request(method).id, error: { code, message: "It failed.", data } });
  }

  end(reason: string): void {
    this.endWith(new Error(reason));
  }

  endWith(reason: Error): void {
    this.#onClose(reason);
  }
}
