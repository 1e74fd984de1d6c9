/** What a client needs of a connection. It carries lines and knows nothing of what they say. */

export interface Transport {
  /**
   * Send one line, given without its end. Lines arrive in the order of the calls. Resolves when there is room for
   * more, rejects when the line can not be sent.
   */
  send(line: string): Promise<void>;

  /** Hand over each line that arrives, without its end. Set once; what came before is kept until then. */
  onMessage(handler: (line: string) => void): void;

  /** Called once, after the last line, when the connection is gone, whoever ended it; at once if it already is. */
  onClose(handler: (reason: Error) => void): void;

  /** End the connection; resolves when it has ended. Safe to call twice. */
  close(): Promise<void>;
}
