/** The connection that a client needs. It carries lines and knows nothing of what they contain. */

export interface Transport {
  /**
   * Send one line, given without its line end. Lines arrive in the order of the calls. Resolves when there is room for
   * more, rejects if the line cannot be sent.
   */
  send(line: string): Promise<void>;

  /** Pass each line that arrives to `handler`, without its line end. Set once; earlier lines are kept until then. */
  onMessage(handler: (line: string) => void): void;

  /** Call `handler` once, after the last line, when the connection has ended; immediately if it already has. */
  onClose(handler: (reason: Error) => void): void;

  /** End the connection; resolves when it has ended. Safe to call twice. */
  close(): Promise<void>;
}
