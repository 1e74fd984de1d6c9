import assert from "node:assert/strict";
import { test } from "node:test";

import { ConnectionClosedError, createClient, SidecarError, type TurnEvent, type TurnResult } from "../src/index.js";
import { FakeTransport } from "./fake_transport.js";

const SESSION = "0b8e6f2a-3c1d-4e5f-8a9b-0c1d2e3f4a5b";

function connect() {
  const transport = new FakeTransport();
  const problems: unknown[] = [];
  const client = createClient(transport, { onProblem: (problem) => problems.push(problem) });
  return { transport, client, problems };
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

test("a call sends its parameters and resolves with the result", async () => {
  const { transport, client } = connect();
  const running = client.is_llama_running({ server_id: "one" });
  assert.deepEqual(transport.sent, [
    { jsonrpc: "2.0", id: 1, method: "is_llama_running", params: { server_id: "one" } },
  ]);
  transport.answer("is_llama_running", true);
  assert.equal(await running, true);
});

test("a call without parameters sends an empty object", async () => {
  const { transport, client } = connect();
  const document = client["rpc.discover"]();
  assert.deepEqual(transport.request("rpc.discover").params, {});
  transport.answer("rpc.discover", { openrpc: "1.3.2" });
  assert.deepEqual(await document, { openrpc: "1.3.2" });
});

test("answers settle their calls in any order", async () => {
  const { transport, client } = connect();
  const pong = client.ping();
  const servers = client.list_servers();
  transport.answer("list_servers", []);
  transport.answer("ping", "pong");
  assert.deepEqual(await Promise.all([pong, servers]), ["pong", []]);
});

test("an error has everything that a host switches on", async () => {
  const { transport, client } = connect();
  const session = client.get_session({ session_id: SESSION });
  transport.fail("get_session", -32027, "SESSION_NOT_FOUND", { more: 1 });
  const error = await failure(session);
  assert.ok(error instanceof SidecarError);
  assert.equal(error.code, -32027);
  assert.equal(error.errorName, "SESSION_NOT_FOUND");
  assert.equal(error.retryable, false);
  assert.equal(error.hint, "Do something else.");
  assert.equal(error.data["more"], 1);
});

test("events reach their own call, in order", async () => {
  const { transport, client } = connect();
  const received: [string, number][] = [];
  const answer = client.send_message(
    { message: "Hello" },
    { onEvent: (event, seq) => event.status === "token" && received.push([event.chunk, seq]) },
  );
  const { channel } = transport.request("send_message").params;
  transport.event(channel, 1, { status: "token", chunk: "a" });
  transport.event("another", 1, { status: "token", chunk: "x" });
  transport.event(channel, 2, { status: "token", chunk: "b" });
  transport.answer("send_message", { content: "ab" });
  assert.equal((await answer).content, "ab");
  transport.event(channel, 3, { status: "token", chunk: "too late" });
  assert.deepEqual(received, [["a", 1], ["b", 2]]);
});

test("a call without an event handler requests no channel", () => {
  const { transport, client } = connect();
  void client.send_message({ message: "Hello" });
  assert.deepEqual(transport.request("send_message").params, { message: "Hello" });
});

test("a channel that the host chose is kept, and cannot be used twice", async () => {
  const { transport, client } = connect();
  void client.send_message({ message: "Hello", channel: "mine" });
  assert.equal(transport.request("send_message").params["channel"], "mine");
  const second = client.send_message({ message: "Hello", channel: "mine" });
  assert.ok((await failure(second)) instanceof TypeError);
  assert.equal(transport.sent.length, 1);
});

test("an exception of an event handler breaks nothing else", async () => {
  const { transport, client, problems } = connect();
  const mistake = new Error("a mistake of the host");
  const answer = client.send_message(
    { message: "Hello" },
    {
      onEvent: () => {
        throw mistake;
      },
    },
  );
  transport.event(transport.request("send_message").params["channel"], 1, { status: "queued", position: 0 });
  transport.answer("send_message", { content: "" });
  await answer;
  assert.deepEqual(problems, [mistake]);
});

test("a signal cancels on the wire, and the answer settles the call", async () => {
  const { transport, client } = connect();
  const controller = new AbortController();
  const answer = client.send_message({ message: "Hello" }, { signal: controller.signal });
  controller.abort();
  const { id } = transport.request("send_message");
  assert.deepEqual(transport.sent[1], { jsonrpc: "2.0", method: "$/cancel", params: { id } });
  transport.fail("send_message", -32800, "CANCELLED", { partial: "Hel" });
  const error = await failure(answer);
  assert.ok(error instanceof SidecarError);
  assert.equal(error.errorName, "CANCELLED");
  assert.equal(error.data["partial"], "Hel");
});

test("a signal that is already aborted sends nothing", async () => {
  const { transport, client } = connect();
  const error = await failure(client.ping({}, { signal: AbortSignal.abort() }));
  assert.ok(error instanceof SidecarError);
  assert.equal(error.errorName, "CANCELLED");
  assert.deepEqual(transport.sent, []);
});

test("an abort after the answer sends nothing", async () => {
  const { transport, client } = connect();
  const controller = new AbortController();
  const pong = client.ping({}, { signal: controller.signal });
  transport.answer("ping", "pong");
  await pong;
  controller.abort();
  assert.equal(transport.sent.length, 1);
});

test("every call under way is rejected with the same error when the connection ends", async () => {
  const { transport, client } = connect();
  const calls = [client.ping(), client.list_servers(), client.send_message({ message: "Hello" })];
  transport.end("the sidecar ended with exit code 3");
  const errors = await Promise.all(calls.map(failure));
  assert.ok(errors[0] instanceof ConnectionClosedError);
  assert.equal(new Set([...errors, await client.closed, await failure(client.ping())]).size, 1);
  assert.match(errors[0].message, /exit code 3/);
});

test("a connection that cannot be written to is closed", async () => {
  const { transport, client } = connect();
  transport.broken = true;
  assert.ok((await failure(client.ping())) instanceof ConnectionClosedError);
});

test("a stream yields every event, then the result", async () => {
  const { transport, client } = connect();
  const stream = client.stream("send_message", { message: "Hello" });
  const { channel } = transport.request("send_message").params;
  transport.event(channel, 1, { status: "token", chunk: "a" });
  const received: string[] = [];
  for await (const event of stream) {
    received.push(event.status);
    if (event.status !== "token") continue;
    transport.event(channel, 2, { status: "done", content: "a" });
    transport.answer("send_message", { content: "a" });
  }
  assert.deepEqual(received, ["token", "done"]);
  assert.equal((await stream.result).content, "a");
});

test("a stream whose request fails throws after its last event", async () => {
  const { transport, client } = connect();
  const stream = client.stream("send_message", { message: "Hello" });
  transport.event(transport.request("send_message").params["channel"], 1, { status: "error", error: {} });
  transport.fail("send_message", -32014, "ENGINE_CRASHED");
  const received: TurnEvent[] = [];
  const error = await failure(
    (async () => {
      for await (const event of stream) received.push(event);
    })(),
  );
  assert.deepEqual(received.map((event) => event.status), ["error"]);
  assert.equal(error, await failure(stream.result));
});

test("leaving a stream early cancels its request", async () => {
  const { transport, client } = connect();
  const stream = client.stream("send_message", { message: "Hello" });
  const { id, params } = transport.request("send_message");
  transport.event(params["channel"], 1, { status: "token", chunk: "a" });
  for await (const _ of stream) break;
  assert.deepEqual(transport.sent[1], { jsonrpc: "2.0", method: "$/cancel", params: { id } });
});

test("a subscription continues after its answer, until its channel's last event", async () => {
  const { transport, client } = connect();
  const received: string[] = [];
  const subscribed = client.subscribe({ topics: ["servers"] }, { onEvent: (event) => received.push(event.status) });
  const { channel } = transport.request("subscribe").params;
  transport.answer("subscribe", { channel, topics: ["servers"] });
  assert.equal((await subscribed).channel, channel);
  transport.event(channel, 1, { status: "server_removed", server_id: "one", dropped: 0 });
  transport.event(channel, 2, { status: "done" });
  transport.event(channel, 3, { status: "server_removed", server_id: "two", dropped: 0 });
  assert.deepEqual(received, ["server_removed", "done"]);
});

test("leaving a subscription's stream ends the subscription", async () => {
  const { transport, client } = connect();
  const stream = client.stream("subscribe", { topics: ["servers"] });
  const { channel } = transport.request("subscribe").params;
  transport.answer("subscribe", { channel, topics: ["servers"] });
  await stream.result;
  transport.event(channel, 1, { status: "server_removed", server_id: "one", dropped: 0 });
  for await (const _ of stream) break;
  assert.deepEqual(transport.request("unsubscribe").params, { channel });
});

test("a subscription's stream ends with the connection's error", async () => {
  const { transport, client } = connect();
  const stream = client.stream("subscribe", { topics: ["servers"] });
  transport.answer("subscribe", { channel: "", topics: ["servers"] });
  await stream.result;
  const next = stream[Symbol.asyncIterator]().next();
  transport.end("gone");
  assert.equal(await failure(next), await client.closed);
});

test("a subscription that was aborted too late to cancel is ended", async () => {
  const { transport, client } = connect();
  const controller = new AbortController();
  const subscribed = client.subscribe({ topics: ["logs"] }, { signal: controller.signal });
  const { channel } = transport.request("subscribe").params;
  controller.abort();
  transport.answer("subscribe", { channel, topics: ["logs"] });
  await subscribed;
  assert.deepEqual(transport.request("unsubscribe").params, { channel });
});

test("messages that belong to no call are reported as problems", () => {
  const { transport, problems } = connect();
  transport.receiveLine("llama");
  transport.receive({ id: null, error: { code: -32700, message: "No JSON.", data: { name: "PARSE_ERROR" } } });
  transport.receive({ id: 99, result: null });
  transport.receive({ method: "something_new", params: {} });
  assert.equal(problems.length, 3);
  assert.ok(problems[1] instanceof SidecarError && problems[1].errorName === "PARSE_ERROR");
});

test("types describe the parameters and results of methods", () => {
  const { client } = connect();
  const typed = (): unknown[] => [
    // @ts-expect-error a parameter that is not there
    client.ping({ loud: true }),
    // @ts-expect-error a message is needed
    client.send_message(),
    // @ts-expect-error not a topic
    client.subscribe({ topics: ["weather"] }),
    // @ts-expect-error nothing to stream
    client.stream("ping", {}),
    client.send_message({ message: [{ type: "text", text: "Hello" }], session_id: undefined, system: null }),
    client.get_session({ session_id: SESSION }) satisfies Promise<{ title: string }>,
    client.send_message({ message: "" }) satisfies Promise<TurnResult>,
  ];
  assert.equal(typeof typed, "function");
});
