import assert from "node:assert/strict";
import { test } from "node:test";

import { ConnectionClosedError, createClient, NotAdmittedError } from "../src/index.js";
import { addressFor, openWebSocket, type WebSocketOptions } from "../src/transports/websocket.js";
import { FakeKeys, FakeSocket, LINK } from "./fake_socket.js";

function open(options: Partial<WebSocketOptions> = {}) {
  const socket = new FakeSocket();
  const keys = new FakeKeys();
  const transport = openWebSocket({ url: "ws://127.0.0.1:8123/rpc", keys, open: () => socket, ...options });
  const reasons: Error[] = [];
  transport.onClose((reason) => reasons.push(reason));
  return { socket, keys, transport, reasons };
}

test("the address has the page's host", () => {
  assert.equal(addressFor({ protocol: "http:", host: "127.0.0.1:8123" }), "ws://127.0.0.1:8123/rpc");
  assert.equal(addressFor({ protocol: "https:", host: "example.org" }), "wss://example.org/rpc");
});

test("the socket requests the versioned sub-protocol", () => {
  const asked: string[] = [];
  open({ open: (...what) => (asked.push(...what), new FakeSocket()) });
  assert.deepEqual(asked, ["ws://127.0.0.1:8123/rpc", "llama-sidecar.v2"]);
});

test("lines that are sent before the page is admitted are sent then, in order", async () => {
  const { socket, transport } = open();
  const sent = [transport.send("1"), transport.send("2")];
  assert.deepEqual(socket.sent, []);
  socket.admits();
  await Promise.all([...sent, transport.send("3")]);
  assert.deepEqual(socket.sent, ["1", "2", "3"]);
});

test("send waits while the socket's buffer is full", async () => {
  const { socket, transport } = open();
  socket.admits();
  socket.bufferedAmount = 2 * 1024 * 1024;
  let hasRoom = false;
  const sending = transport.send("large").then(() => (hasRoom = true));
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(hasRoom, false);
  socket.bufferedAmount = 0;
  await sending;
});

test("lines that arrive before onMessage is called are kept", async () => {
  const { socket, transport } = open();
  socket.admits();
  await transport.send("0");
  socket.receives("1");
  const lines: string[] = [];
  transport.onMessage((line) => lines.push(line));
  socket.receives("2");
  assert.deepEqual(lines, ["1", "2"]);
});

test("the end is reported once, with the reason", async () => {
  const { socket, transport, reasons } = open();
  socket.opens();
  socket.closes(1009, "The message is too long.");
  socket.closes(1006);
  await transport.close();
  assert.deepEqual(reasons.map((reason) => reason.message), ["The message is too long."]);
  await assert.rejects(transport.send("late"), reasons[0]);
  transport.onClose((reason) => reasons.push(reason));
  assert.equal(reasons[1], reasons[0]);
});

test("a socket that never opens times out, and pending lines fail", async () => {
  const { socket, transport, reasons } = open({ openTimeoutMs: 10 });
  await assert.rejects(transport.send("1"), /no connection within 10 ms/);
  assert.equal(reasons.length, 1);
  assert.deepEqual(socket.sent, []);
  assert.ok(socket.closed);
});

test("closing does not wait for an answer", async () => {
  const { socket, transport } = open();
  socket.opens();
  const client = createClient(transport);
  const pong = client.ping();
  await Promise.all([client.close(), client.close()]);
  await assert.rejects(pong, ConnectionClosedError);
  assert.ok(socket.closed);
});

test("a page that is not admitted gets a NotAdmittedError", async () => {
  const { socket, reasons } = open();
  socket.opens();
  socket.closes(4401, "who are you?");
  assert.ok(reasons[0] instanceof NotAdmittedError);
  const none = { current: () => Promise.resolve(undefined), keep: () => undefined, share: () => undefined };
  const { socket: other, transport } = open({ keys: none });
  other.opens();
  await assert.rejects(transport.send("1"), NotAdmittedError);
  assert.ok(other.closed);
});

test("a link becomes a session, whose key is kept and makes links for other tabs", async () => {
  const { socket, keys, transport } = open();
  socket.admits();
  await transport.send("1");
  assert.equal(keys.kept.length, 1);
  const [session] = keys.kept;
  assert.ok(session !== undefined && !session.isLink && session.secret !== LINK.secret);
  const again = new FakeSocket();
  const reloaded = openWebSocket({ url: "ws://127.0.0.1:8123/rpc", keys, open: () => again });
  again.admits(session);
  await reloaded.send("2");
  assert.deepEqual(again.sent, ["2"]);
  assert.equal(keys.kept.length, 1);
});

test("a program that does not prove that it has the key receives nothing, and is permanently left", async () => {
  const { socket, transport, reasons } = open();
  const sending = transport.send("a secret");
  socket.admits({ ...LINK, secret: "AAAA" });
  await assert.rejects(sending, NotAdmittedError);
  assert.deepEqual(socket.sent, []);
  assert.ok(reasons[0] instanceof NotAdmittedError && reasons[0].message.includes("cannot prove"));
  assert.ok(socket.closed);
});
