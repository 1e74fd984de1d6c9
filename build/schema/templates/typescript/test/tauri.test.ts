import assert from "node:assert/strict";
import { test } from "node:test";

import { ConnectionClosedError, createClient, SidecarError } from "../src/index.js";
import {
  startSidecarAgain,
  tauriTransport,
  watchSidecar,
  type ChannelMessage,
  type TauriCore,
} from "../src/transports/tauri.js";

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

const token = (seq: number, chunk: string) => ({ seq, event: { status: "token", chunk } });
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
  channel.send(message(token(2, "b"), token(3, "c"), { seq: 4, event: { status: "done" } }));
  resolve({ content: "abc" });
  assert.equal((await answer).content, "abc");
  assert.deepEqual(seen, [["a", 1], ["b", 2], ["c", 3]]);
});

test("a result that overtakes the last events waits for them", async () => {
  const { client, only } = connect();
  const stream = client.stream("send_message", { message: "Hello" });
  const { channel, resolve } = only("send_message");
  resolve({ content: "a" });
  await new Promise((done) => setImmediate(done));
  channel.send(message(token(1, "a"), { seq: 2, event: { status: "done" } }));
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

test("a sidecar that is gone for good takes every call with it", async () => {
  const { client, gone, invoked } = connect();
  const pong = client.ping();
  gone(new Error("the sidecar was ended by SIGKILL"));
  await assert.rejects(pong, ConnectionClosedError);
  await assert.rejects(client.ping(), ConnectionClosedError);
  assert.equal(invoked.length, 1);
});

/** An app whose looks at its sidecar are answered with these, one after the other, and then with the last again. */
function appWith(...answers: [...unknown[]]) {
  const commands: string[] = [];
  const core = {
    invoke: (command: string) => {
      commands.push(command);
      const next = answers.length > 1 ? answers.shift() : answers[0];
      return typeof next === "number" ? Promise.resolve({ pid: next }) : Promise.reject(next);
    },
    Channel: FakeChannel,
  };
  return { core: core as unknown as TauriCore, commands };
}

const GIVEN_UP = { code: -32100, message: "It does not start.", data: { name: "SIDECAR_NOT_RUNNING", hint: "Look." } };

test("another process is another sidecar, and is told of once; one that is given up is gone", async () => {
  const { core } = appWith(1, 1, 2, 2, GIVEN_UP);
  const replaced: number[] = [];
  const reason = await new Promise<Error>((onGone) => {
    watchSidecar(core, { onReplaced: ({ pid }) => replaced.push(pid), onGone }, 1);
  });
  assert.deepEqual(replaced, [2]);
  assert.ok(reason instanceof SidecarError);
  assert.equal(reason.errorName, "SIDECAR_NOT_RUNNING");
  assert.equal(reason.message, "It does not start.");
});

test("to start a sidecar again is a command of the app", async () => {
  const { core, commands } = appWith(1);
  await startSidecarAgain(core);
  assert.deepEqual(commands, ["start_sidecar_again"]);
});
