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
  const transport = tauriTransport(fake as TauriCore, { onGone: (tell) => (gone = tell) });
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

test("what is inside a parameter keeps its names", () => {
  const { client, only } = connect();
  void client.set_config({ patch: { chat: { max_queue: 3 } } });
  assert.deepEqual(only("set_config").args["patch"], { chat: { max_queue: 3 } });
});

test("events come over a channel, one or several at once", async () => {
  const { client, only } = connect();
  const seen: [string, number][] = [];
  const answer = client.send_message(
    { message: "Hello" },
    { onEvent: (one, seq) => one.status === "token" && seen.push([one.chunk, seq]) },
  );
  const { channel, resolve } = only("send_message");
  channel.send(message(token(1, "a")));
  channel.send(message(token(2, "b"), token(3, "c"), done(4)));
  resolve({ content: "abc" });
  assert.equal((await answer).content, "abc");
  assert.deepEqual(seen, [["a", 1], ["b", 2], ["c", 3]]);
});

test("events that the app has merged say where they begin", async () => {
  const { client, only } = connect();
  const seen: [number, number][] = [];
  const answer = client.send_message({ message: "Hello" }, { onEvent: (_, seq, first) => seen.push([first, seq]) });
  const { channel, resolve } = only("send_message");
  channel.send(message(token(1, "a"), token(9, "bcdefghi", 2), done(10)));
  resolve({ content: "abcdefghi" });
  await answer;
  assert.deepEqual(seen, [[1, 1], [2, 9], [10, 10]]);
});

test("a result that overtakes the last events waits for them", async () => {
  const { client, only } = connect();
  const stream = client.stream("send_message", { message: "Hello" });
  const { channel, resolve } = only("send_message");
  resolve({ content: "a" });
  await new Promise((done) => setImmediate(done));
  channel.send(message(token(1, "a"), done(2)));
  const seen: string[] = [];
  for await (const one of stream) seen.push(one.status);
  assert.deepEqual(seen, ["token", "done"]);
});

test("errors keep what a host switches on, and those of Tauri become errors too", async () => {
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

test("a sidecar that has ended, or was given up, ends the connection with the reason", async () => {
  const given = { code: -32603, message: "There is no sidecar: it is not there.", data: { name: "SIDECAR_NOT_RUNNING" } };
  const asking = connect();
  const models = asking.client.list_models();
  asking.only("list_models").reject(given);
  await assert.rejects(models, (error) => error instanceof ConnectionClosedError && /not there/.test(String(error.cause)));

  const ended = { code: -32603, message: "The sidecar has ended.", data: { name: "SIDECAR_ENDED" } };
  const looking = connect();
  const servers = looking.client.subscribe({ topics: ["servers"] });
  const { channel, resolve } = looking.only("subscribe");
  resolve({ channel: "call-1", topics: ["servers"] });
  await servers;
  channel.send(message({ first_seq: 0, seq: 0, event: { status: "error", error: ended } }));
  await assert.rejects(looking.client.list_models(), ConnectionClosedError);
});

test("a sidecar that is gone for good takes every call with it", async () => {
  const { client, gone, invoked } = connect();
  const pong = client.ping();
  gone(new Error("the sidecar was ended by SIGKILL"));
  await assert.rejects(pong, ConnectionClosedError);
  await assert.rejects(client.ping(), ConnectionClosedError);
  assert.equal(invoked.length, 1);
});
