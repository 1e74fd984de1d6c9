import assert from "node:assert/strict";
import { test } from "node:test";

import { ConnectionClosedError, createClient, SidecarError } from "../src/index.js";
import { tauriTransport, type ChannelMessage, type TauriCore } from "../src/transports/tauri.js";

interface Invoked {
  command: string;
  args: Record<string, unknown>;
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
}

class FakeChannel {
  readonly send: (message: any) => void;

  constructor(onmessage: (message: any) => void = () => undefined) {
    this.send = onmessage;
  }
}

function connect() {
  const invoked: Invoked[] = [];
  const fake = {
    invoke: (command: string, args: Record<string, unknown> = {}) =>
      new Promise((resolve, reject) => invoked.push({ command, args, resolve, reject })),
    Channel: FakeChannel,
  };
  let gone: (reason: Error) => void = () => undefined;
  const transport = tauriTransport(fake as TauriCore, { onGone: (report) => (gone = report) });
  const only = (command: string): Invoked & { channel: FakeChannel } => {
    const [one, ...others] = invoked.filter((call) => call.command === command);
    assert.ok(one !== undefined && others.length === 0, `not one ${command}`);
    return { ...one, channel: one.args["channel"] as FakeChannel };
  };
  return { client: createClient(transport), only, invoked, gone: (reason: Error) => gone(reason) };
}

const token = (seq: number, chunk: string, first_seq = seq) => ({ first_seq, seq, event: { status: "token", chunk } });
const done = (seq: number) => ({ first_seq: seq, seq, event: { status: "done" } });
const message = (...events: ChannelMessage["events"]): ChannelMessage => ({ events });

test("a method is the command of its name, with parameters as a Tauri front end writes them", async () => {
  const { client, only } = connect();
  const session = client.get_session({ session_id: "one" });
  assert.deepEqual(only("get_session").args, { requestId: 1, sessionId: "one" });
  only("get_session").resolve({ title: "A session" });
  assert.equal((await session).title, "A session");
  const document = client["rpc.discover"]();
  only("rpc_discover").resolve({ openrpc: "1" });
  assert.deepEqual(await document, { openrpc: "1" });
});

test("names inside a parameter are kept", () => {
  const { client, only } = connect();
  void client.set_config({ patch: { chat: { max_queue: 3 } } });
  assert.deepEqual(only("set_config").args["patch"], { chat: { max_queue: 3 } });
});

test("events come over a channel, one or several in a message", async () => {
  const { client, only } = connect();
  const received: [string, number][] = [];
  const answer = client.send_message(
    { message: "Hello" },
    { onEvent: (one, seq) => one.status === "token" && received.push([one.chunk, seq]) },
  );
  const { channel, resolve } = only("send_message");
  channel.send(message(token(1, "a")));
  channel.send(message(token(2, "b"), token(3, "c"), done(4)));
  resolve({ content: "abc" });
  assert.equal((await answer).content, "abc");
  assert.deepEqual(received, [["a", 1], ["b", 2], ["c", 3]]);
});

test("merged events have the seq of the first one", async () => {
  const { client, only } = connect();
  const received: [number, number][] = [];
  const answer = client.send_message({ message: "Hello" }, { onEvent: (_, seq, first) => received.push([first, seq]) });
  const { channel, resolve } = only("send_message");
  channel.send(message(token(1, "a"), token(9, "bcdefghi", 2), done(10)));
  resolve({ content: "abcdefghi" });
  await answer;
  assert.deepEqual(received, [[1, 1], [2, 9], [10, 10]]);
});

test("a result that overtakes the last events waits for them", async () => {
  const { client, only } = connect();
  const stream = client.stream("send_message", { message: "Hello" });
  const { channel, resolve } = only("send_message");
  resolve({ content: "a" });
  await new Promise((done) => setImmediate(done));
  channel.send(message(token(1, "a"), done(2)));
  const received: string[] = [];
  for await (const one of stream) received.push(one.status);
  assert.deepEqual(received, ["token", "done"]);
});

test("errors keep their name, and Tauri's own become errors too", async () => {
  const { client, only } = connect();
  const session = client.get_session({ session_id: "one" });
  only("get_session").reject({ code: -32027, message: "None.", data: { name: "SESSION_NOT_FOUND" } });
  await assert.rejects(session, (error) => error instanceof SidecarError && error.errorName === "SESSION_NOT_FOUND");
  const pong = client.ping();
  only("ping").reject("ping not allowed");
  await assert.rejects(
    pong,
    (error) => error instanceof SidecarError && error.errorName === "INTERNAL_ERROR" && /not allowed/.test(error.message),
  );
});

test("a signal cancels by the request's id", () => {
  const { client, only } = connect();
  const controller = new AbortController();
  void client.send_message({ message: "Hello" }, { signal: controller.signal });
  controller.abort();
  assert.deepEqual(only("cancel_request").args, { requestId: only("send_message").args["requestId"] });
});

test("a sidecar that has ended or is not restarted ends the connection with the reason", async () => {
  const failed = { code: -32603, message: "The sidecar is not running: no such file.", data: { name: "SIDECAR_NOT_RUNNING" } };
  const calling = connect();
  const models = calling.client.list_models();
  calling.only("list_models").reject(failed);
  await assert.rejects(models, (error) => error instanceof ConnectionClosedError && /no such file/.test(String(error.cause)));

  const ended = { code: -32603, message: "The sidecar has ended.", data: { name: "SIDECAR_ENDED" } };
  const subscribed = connect();
  const servers = subscribed.client.subscribe({ topics: ["servers"] });
  const { channel, resolve } = subscribed.only("subscribe");
  resolve({ channel: "call-1", topics: ["servers"] });
  await servers;
  channel.send(message({ first_seq: 0, seq: 0, event: { status: "error", error: ended } }));
  await assert.rejects(subscribed.client.list_models(), ConnectionClosedError);
});

test("every call under way is rejected when the sidecar has ended permanently", async () => {
  const { client, gone, invoked } = connect();
  const pong = client.ping();
  gone(new Error("the sidecar was ended by SIGKILL"));
  await assert.rejects(pong, ConnectionClosedError);
  await assert.rejects(client.ping(), ConnectionClosedError);
  assert.equal(invoked.length, 1);
});
