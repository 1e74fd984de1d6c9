/** Splits bytes into lines. A line ends at the byte 0x0A and nowhere else, wherever the chunks are cut. */

const LF = 0x0a;
const CR = 0x0d;

/**
 * Turns chunks of bytes into whole lines, decoded as UTF-8.
 *
 * A line is decoded once it is whole, so no character is cut. U+2028 is text here, unlike in Node's readline, which
 * ends a line at it.
 */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  #parts: Uint8Array[] = [];

  /** The lines that end in this chunk, without their line ends and without blank ones. */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      this.#parts.push(chunk.subarray(start, end));
      const line = this.#takeLine();
      if (line !== "") lines.push(line);
      start = end + 1;
    }
    if (start < chunk.length) this.#parts.push(chunk.subarray(start));
    return lines;
  }

  #takeLine(): string {
    const parts = this.#parts;
    this.#parts = [];
    const line = parts.length === 1 && parts[0] !== undefined ? parts[0] : join(parts);
    return this.#decoder.decode(line.at(-1) === CR ? line.subarray(0, -1) : line);
  }
}

function join(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
