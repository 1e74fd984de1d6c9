/** Bytes to lines. Owns where a line ends: at the byte 0x0A and nowhere else, however the bytes are cut. */

const LF = 0x0a;
const CR = 0x0d;

/**
 * Takes chunks of bytes and gives whole lines, decoded as UTF-8.
 *
 * A line is decoded once it is whole, so no character is ever cut. U+2028, which Node's readline takes for the end of
 * a line, is text here.
 */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  #parts: Uint8Array[] = [];

  /** The lines that end in this chunk, without their ends; blank ones are left out. */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      this.#parts.push(chunk.subarray(start, end));
      const line = this.#take();
      if (line !== "") lines.push(line);
      start = end + 1;
    }
    if (start < chunk.length) this.#parts.push(chunk.subarray(start));
    return lines;
  }

  #take(): string {
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
