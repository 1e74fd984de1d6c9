import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

import { ConnectionClosedError, createClient, SidecarError } from "../src/index.js";
import { spawnSidecar, type SidecarOptions } from "../src/transports/stdio.js";

const PYTHON = process.env["PYTHON"] ?? "python3";
const FAKE_SIDECAR = fileURLToPath(new URL("../../test/fake_sidecar.py", import.meta.url));
const TEXT = "a\u2028b\u2029 🦙 ä\n\"c\"";

function start(args: string[] = [], options: Partial<SidecarOptions> = {}) {
  const sidecar = spawnSidecar({ command: PYTHON, args: [FAKE_SIDECAR, ...args], ...options });
  return { sidecar, client: createClient(sidecar) };
}

test("a request is answered, and closing ends the sidecar", async () => {
  const { sidecar, client } = start();
  assert.equal(await client.ping(), "pong");
  await client.close();
  assert.deepEqual(await sidecar.exited, { code: 0, signal: null });
  assert.ok((await client.closed) instanceof ConnectionClosedError);
});

test("text arrives whole when its bytes come in odd pieces", async () => {
  for (const size of ["1", "3", "7"]) {
    const { client } = start(["--piece-bytes", size]);
    const stream = client.stream("send_message", { message: TEXT });
    let text = "";
    for await (const event of stream) if (event.status === "token") text += event.chunk;
    assert.equal(text, TEXT);
    assert.equal((await stream.result).content, TEXT);
    await client.close();
  }
});

test("a message larger than every pipe buffer passes both ways", async () => {
  const { client } = start();
  const message = "🦙\u2028".repeat(500_000);
  const { content } = await client.send_message({ message });
  assert.ok(content === message);
  await client.close();
});

test("a sidecar that floods stderr is read", async () => {
  let bytes = 0;
  const { client } = start(["--stderr-bytes", "1000000"], { onStderr: (text) => (bytes += Buffer.byteLength(text)) });
  assert.equal(await client.ping(), "pong");
  await client.close();
  assert.equal(bytes, 1_000_000);
});

test("an error arrives as an error", async () => {
  const { client } = start();
  const session = client.get_session({ session_id: "0b8e6f2a-3c1d-4e5f-8a9b-0c1d2e3f4a5b" });
  await assert.rejects(session, (error) => error instanceof SidecarError && error.errorName === "SESSION_NOT_FOUND");
  await client.close();
});

test("every call under way is rejected when the sidecar ends", async () => {
  const { sidecar, client } = start();
  const calls: Promise<unknown>[] = [client.shutdown(), client.ping()];
  const errors = await Promise.all(calls.map((call) => call.catch((error: unknown) => error)));
  assert.ok(errors[0] instanceof ConnectionClosedError);
  assert.equal(errors[0], errors[1]);
  assert.match(errors[0].message, /exit code 7/);
  assert.equal((await sidecar.exited).code, 7);
  await client.close();
});

test("a sidecar that does not end is killed", async () => {
  const { sidecar, client } = start(["--ignore-eof"], { closeTimeoutMs: 100 });
  assert.equal(await client.ping(), "pong");
  await Promise.all([client.close(), client.close()]);
  assert.deepEqual(await sidecar.exited, { code: null, signal: "SIGKILL" });
});

test("a program that does not exist closes the connection with the reason", async () => {
  const client = createClient(spawnSidecar({ command: "llama-sidecar-that-is-not-there" }));
  await assert.rejects(client.ping(), (error) => error instanceof ConnectionClosedError && /ENOENT/.test(error.message));
  await client.close();
});
