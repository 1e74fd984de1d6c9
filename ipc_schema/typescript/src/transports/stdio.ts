/**
 * A sidecar as a child process, for Node and Electron's main process.
 *
 * Owns the process: its start, its pipes and its end. Knows nothing of what the lines contain.
 */

import { spawn, type ChildProcessByStdio } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

import { LineSplitter } from "./line_splitter.js";
import type { Transport } from "./transport.js";

/** Options for the start of a sidecar. */
export interface SidecarOptions {
  /** The program, such as "llama-sidecar". */
  command: string;
  args?: readonly string[] | undefined;
  cwd?: string | undefined;
  /** Its complete environment. Default: this process's. */
  env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Called with the sidecar's stderr, in pieces. It is read in any case, so that the sidecar never blocks on it. */
  onStderr?: ((text: string) => void) | undefined;
  /** How long `close` waits for the sidecar to end by itself before it is killed. Default 8000. */
  closeTimeoutMs?: number | undefined;
}

/** How the process ended. Both are null if it could not be started. */
export interface SidecarExit {
  code: number | null;
  signal: string | null;
}

/** A transport with a process behind it. */
export interface StdioTransport extends Transport {
  /** Undefined if the program could not be started; `onClose` has the reason. */
  readonly pid: number | undefined;
  /** Resolves when the process has ended. Never rejects. */
  readonly exited: Promise<SidecarExit>;
}

/** The sidecar promises to end within 5 s of the end of its stdin; a slow machine gets some more. */
const CLOSE_TIMEOUT_MS = 8_000;

/** A grandchild may hold the pipes open after the sidecar has ended; their content is read well within this time. */
const DRAIN_TIMEOUT_MS = 1_000;

/** Start a sidecar. It ends when its stdin closes, so it also ends with this process. */
export function spawnSidecar(options: SidecarOptions): StdioTransport {
  return new ChildTransport(options);
}

class ChildTransport implements StdioTransport {
  readonly exited: Promise<SidecarExit>;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #closeTimeoutMs: number;
  readonly #closeHandlers: ((reason: Error) => void)[] = [];
  readonly #finished: Promise<void>;
  #reading = false;
  #closing: Promise<void> | undefined;
  #reason: Error | undefined;

  constructor(options: SidecarOptions) {
    this.#closeTimeoutMs = options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS;
    this.#child = spawn(options.command, options.args ?? [], {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ["pipe", "pipe", "pipe"],
      windowsHide: true,
    });
    this.exited = this.#exit();
    this.#finished = this.#finish();
    this.#readStderr(options.onStderr ?? (() => undefined));
    // Each write reports a broken pipe to its own callback; without a listener the error would end this process.
    this.#child.stdin.on("error", () => undefined);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  send(line: string): Promise<void> {
    return new Promise((resolve, reject) => {
      // The callback comes when the system has taken the bytes: a sender that waits for it uses bounded memory.
      this.#child.stdin.write(`${line}\n`, (error) => (error == null ? resolve() : reject(error)));
    });
  }

  onMessage(handler: (line: string) => void): void {
    const lines = new LineSplitter();
    this.#reading = true;
    this.#child.stdout.on("data", (chunk: Uint8Array) => {
      for (const line of lines.push(chunk)) handler(line);
    });
  }

  onClose(handler: (reason: Error) => void): void {
    if (this.#reason === undefined) this.#closeHandlers.push(handler);
    else handler(this.#reason);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#child.stdin.end();
    // A sidecar that cannot write its last lines would not end.
    if (!this.#reading) this.#child.stdout.resume();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), this.#closeTimeoutMs);
    await this.#finished;
    clearTimeout(timer);
  }

  #exit(): Promise<SidecarExit> {
    return new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => resolve({ code, signal }));
      this.#child.once("error", () => {
        // Later errors, such as of `kill`, do not mean that the process has ended.
        if (this.#child.pid === undefined) resolve({ code: null, signal: null });
      });
    });
  }

  async #finish(): Promise<void> {
    let failure: Error | undefined;
    this.#child.on("error", (error) => (failure ??= error));
    const pipesClosed = new Promise<void>((resolve) => this.#child.once("close", () => resolve()));
    const exit = await this.exited;
    let timer: NodeJS.Timeout | undefined;
    const drained = new Promise<void>((resolve) => (timer = setTimeout(resolve, DRAIN_TIMEOUT_MS)));
    if (this.pid !== undefined) await Promise.race([pipesClosed, drained]);
    clearTimeout(timer);
    this.#child.stdout.destroy();
    this.#child.stderr.destroy();
    this.#reason = this.pid === undefined && failure !== undefined ? failure : new Error(describeExit(exit));
    for (const handler of this.#closeHandlers.splice(0)) handler(this.#reason);
  }

  #readStderr(onStderr: (text: string) => void): void {
    const decoder = new StringDecoder("utf8");
    this.#child.stderr.on("data", (chunk: Buffer) => onStderr(decoder.write(chunk)));
  }
}

function describeExit({ code, signal }: SidecarExit): string {
  if (signal !== null) return `the sidecar was ended by ${signal}`;
  return code === 0 ? "the sidecar ended" : `the sidecar ended with exit code ${code}`;
}
