import assert from "node:assert/strict";
import { test } from "node:test";

import { LineSplitter } from "../src/transports/line_splitter.js";

const LINES = ['{"text":"a\u2028b\u2029c\u0085d"}', '{"llama":"🦙 ä \\r"}', "x".repeat(1000)];
const BYTES = new TextEncoder().encode(`${LINES[0]}\n\n${LINES[1]}\r\n${LINES[2]}\n`);

test("lines are the same wherever the bytes are cut", () => {
  for (let size = 1; size <= BYTES.length; size++) {
    const splitter = new LineSplitter();
    const received: string[] = [];
    for (let start = 0; start < BYTES.length; start += size) {
      received.push(...splitter.push(BYTES.subarray(start, start + size)));
    }
    assert.deepEqual(received, LINES, `in pieces of ${size}`);
  }
});

test("a line is returned once its end has arrived", () => {
  const splitter = new LineSplitter();
  assert.deepEqual(splitter.push(new TextEncoder().encode("half")), []);
  assert.deepEqual(splitter.push(new TextEncoder().encode(" and half\n")), ["half and half"]);
});
