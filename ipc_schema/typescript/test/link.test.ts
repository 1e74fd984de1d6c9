import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ConnectionClosedError,
  CONTRACT_VERSION,
  keepConnected,
  NotAdmittedError,
  SidecarError,
  type LinkOptions,
  type LinkState,
  type TurnEvent,
} from "../src/index.js";
import { FakeTransport } from "./fake_transport.js";

const SESSION = "0b8e6f2a-3c1d-4e5f-8a9b-0c1d2e3f4a5b";
const SIDECAR = { server: { name: "llama-sidecar", version: "1" }, contract_version: CONTRACT_VERSION };

/** A link whose connections the test controls. */
function connect(options: Partial<LinkOptions> = {}) {
  const transports: FakeTransport[] = [];
  const states: LinkState["status"][] = [];
  const problems: unknown[] = [];
  const link = keepConnected({
    connect: () => {
      const transport = new FakeTransport();
      transports.push(transport);
      return transport;
    },
    retryDelaysMs: [1],
    onProblem: (problem) => problems.push(problem),
    ...options,
  });
  link.onState((state) => states.push(state.status));
  const until = (status: LinkState["status"]): Promise<void> =>
    new Promise((resolve) => {
      const done = link.onState((state) => {
        if (state.status === status) resolve(done() as unknown as undefined);
      });
    });
  const newest = (): FakeTransport => {
    const transport = transports.at(-1);
    assert.ok(transport !== undefined);
    return transport;
  };
  const ready = async (): Promise<FakeTransport> => {
    const isReady = until("ready");
    newest().answer("initialize", SIDECAR);
    await isReady;
    return newest();
  };
  const reconnect = async (): Promise<FakeTransport> => {
    if (link.state.status !== "connecting") await until("connecting");
    return ready();
  };
  return { link, transports, states, problems, until, newest, ready, reconnect };
}

/** Let pending callbacks run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail("it did not fail"),
    (error: unknown) => error,
  );
}

test("each connection begins with initialize, and the client stays the same", async () => {
  const { link, ready, newest, reconnect, states } = connect({ client: { name: "page", version: "2" } });
  const first = await ready();
  assert.deepEqual(first.request("initialize").params, {
    contract_version: CONTRACT_VERSION,
    client: { name: "page", version: "2" },
  });
  first.end("gone");
  await reconnect();
  const pong = link.client.ping();
  newest().answer("ping", "pong");
  assert.equal(await pong, "pong");
  assert.deepEqual(states, ["ready", "waiting", "connecting", "ready"]);
  await link.close();
});

test("calls under way and calls without a connection fail with the same typed error", async () => {
  const { link, ready } = connect();
  const early = await failure(link.client.ping());
  assert.ok(early instanceof ConnectionClosedError);
  const transport = await ready();
  const calls = [link.client.list_servers(), link.client.ping()];
  transport.end("the socket was closed");
  const errors = await Promise.all(calls.map(failure));
  assert.ok(errors[0] instanceof ConnectionClosedError);
  assert.match(errors[0].message, /the socket was closed/);
  assert.equal(errors[1], errors[0]);
  await settled();
  assert.equal(await failure(link.client.ping()), errors[0]);
  await link.close();
});

test("onReady can subscribe again on each new connection", async () => {
  const received: string[] = [];
  const { link, ready, reconnect } = connect({
    onReady: (client) => {
      client.subscribe({ topics: ["servers"] }, { onEvent: ({ status }) => received.push(status) }).catch(() => undefined);
    },
  });
  (await ready()).end("gone");
  const second = await reconnect();
  const { channel } = second.request("subscribe").params;
  second.answer("subscribe", { channel, topics: ["servers"] });
  second.event(channel, 1, { status: "server_removed", server_id: "one", dropped: 0 });
  assert.deepEqual(received, ["server_removed"]);
  await link.close();
});

test("an answer continues over the next connection, with every event once", async () => {
  const { link, ready, reconnect } = connect();
  const received: [number, string][] = [];
  const first = await ready();
  const answer = link.client.send_message(
    { message: "Hello" },
    { onEvent: (event, seq) => received.push([seq, event.status === "token" ? event.chunk : event.status]) },
  );
  const { channel, session_id } = first.request("send_message").params;
  first.event(channel, 1, { status: "queued", position: 0 });
  first.event(channel, 2, { status: "token", chunk: "a" });
  first.end("gone");

  const second = await reconnect();
  await settled();
  const resumed = second.request("resume_session").params;
  assert.deepEqual([resumed["session_id"], resumed["after_seq"]], [session_id, 2]);
  second.event(resumed["channel"], 3, { status: "token", chunk: "b" });
  second.end("gone again");

  const third = await reconnect();
  await settled();
  const again = third.request("resume_session").params;
  assert.equal(again["after_seq"], 3);
  third.event(again["channel"], 4, { status: "done" });
  third.end("before the answer");

  const fourth = await reconnect();
  await settled();
  fourth.event(fourth.request("resume_session").params["channel"], 4, { status: "done" });
  fourth.answer("resume_session", { content: "ab" });
  assert.equal((await answer).content, "ab");
  assert.deepEqual(received, [[1, "queued"], [2, "a"], [3, "b"], [4, "done"]]);
  await link.close();
});

test("all pieces of one event are delivered, though they have the seq of the event before", async () => {
  const { link, ready } = connect();
  const transport = await ready();
  const received: string[] = [];
  const answer = link.client.send_message(
    { message: "Hello" },
    { onEvent: (event) => event.status === "token" && received.push(event.chunk) },
  );
  const { channel } = transport.request("send_message").params;
  for (const [seq, chunk] of [[0, "a"], [0, "b"], [1, "c"]] as const) transport.event(channel, seq, { status: "token", chunk });
  transport.answer("send_message", { content: "abc" });
  await answer;
  assert.deepEqual(received, ["a", "b", "c"]);
  await link.close();
});

test("a stream continues over the next connection", async () => {
  const { link, ready, reconnect } = connect();
  const first = await ready();
  const stream = link.client.stream("send_message", { message: "Hello", session_id: SESSION });
  first.event(first.request("send_message").params["channel"], 1, { status: "token", chunk: "a" });
  first.end("gone");
  const second = await reconnect();
  await settled();
  const { channel } = second.request("resume_session").params;
  second.event(channel, 2, { status: "done" });
  second.answer("resume_session", { content: "a" });
  const received: TurnEvent["status"][] = [];
  for await (const event of stream) received.push(event.status);
  assert.deepEqual(received, ["token", "done"]);
  assert.equal((await stream.result).content, "a");
  await link.close();
});

test("an answer without any event is not resumed, since the last turn may be an older one", async () => {
  const { link, ready, reconnect } = connect();
  const first = await ready();
  const answer = failure(link.client.send_message({ message: "Hello", session_id: SESSION }));
  first.end("gone");
  assert.ok((await answer) instanceof ConnectionClosedError);
  const second = await reconnect();
  await settled();
  assert.deepEqual(second.sent.map((sent) => sent.method), ["initialize"]);
  await link.close();
});

test("another page's newer answer is not delivered", async () => {
  const { link, ready, reconnect } = connect();
  const received: number[] = [];
  const first = await ready();
  const answer = failure(
    link.client.send_message({ message: "Hello", session_id: SESSION }, { onEvent: (_, seq) => received.push(seq) }),
  );
  for (const seq of [1, 2, 3]) {
    first.event(first.request("send_message").params["channel"], seq, { status: "token", chunk: "a" });
  }
  first.end("gone");
  const second = await reconnect();
  await settled();
  const { id, params } = second.request("resume_session");
  second.event(params["channel"], 1, { status: "token", chunk: "other" });
  assert.deepEqual(second.sent.at(-1)?.params, { id }); // of $/cancel
  second.receive({ id, error: { code: -32800, message: "Cancelled.", data: { name: "CANCELLED" } } });
  assert.ok((await answer) instanceof ConnectionClosedError);
  assert.deepEqual(received, [1, 2, 3]);
  await link.close();
});

test("an abort cancels an answer that was resumed or will be", async () => {
  for (const when of ["resumed", "lost"]) {
    const { link, ready, reconnect } = connect();
    const controller = new AbortController();
    const first = await ready();
    const answer = failure(
      link.client.send_message({ message: "Hello", session_id: SESSION }, { signal: controller.signal }),
    );
    first.event(first.request("send_message").params["channel"], 1, { status: "queued", position: 0 });
    first.end("gone");
    if (when === "lost") controller.abort();
    const second = await reconnect();
    await settled();
    if (when === "resumed") controller.abort();
    assert.deepEqual(second.request("cancel_message").params, { session_id: SESSION });
    second.fail("resume_session", -32800, "CANCELLED", { partial: "Hel" });
    const error = await answer;
    assert.ok(error instanceof SidecarError);
    assert.equal(error.data["partial"], "Hel");
    await link.close();
  }
});

test("retry delays grow, and start again after a connection that was ready", async () => {
  const waits: number[] = [];
  const { link, newest, ready, until } = connect({ retryDelaysMs: [4, 8, 16] });
  link.onState((state) => state.status === "waiting" && waits.push(state.retryInMs));
  for (let count = 0; count < 4; count++) {
    const next = until("connecting");
    newest().end("no connection");
    await next;
  }
  (await ready()).end("gone");
  await settled();
  const bounds = [4, 8, 16, 16, 4];
  assert.equal(waits.length, bounds.length);
  waits.forEach((wait, index) => assert.ok(wait >= 0.75 * bounds[index]! && wait <= bounds[index]!, `${index}: ${wait}`));
  await link.close();
});

test("retry connects immediately", async () => {
  const { link, newest, until, transports } = connect({ retryDelaysMs: [60_000] });
  const waiting = until("waiting");
  newest().end("no connection");
  await waiting;
  link.retry();
  assert.equal(link.state.status, "connecting");
  assert.equal(transports.length, 2);
  await link.close();
});

test("a page that is not admitted does not retry", async () => {
  const { link, newest, until, transports } = connect();
  const closed = until("closed");
  newest().endWith(new NotAdmittedError());
  await closed;
  assert.ok((await link.client.closed).cause instanceof NotAdmittedError);
  assert.ok((await failure(link.client.ping())) instanceof ConnectionClosedError);
  assert.equal(transports.length, 1);
});

test("a sidecar of another major version is not retried", async () => {
  const { link, newest, until, transports } = connect();
  const closed = until("closed");
  newest().fail("initialize", -32031, "NOT_SUPPORTED");
  await closed;
  assert.ok(link.state.status === "closed" && link.state.error instanceof SidecarError);
  assert.equal(transports.length, 1);
});

test("a connection without an answer to initialize is closed and retried", async () => {
  const { link, until } = connect({ initializeTimeoutMs: 5 });
  await until("waiting");
  await link.close();
});

test("closing rejects answers that wait to be resumed", async () => {
  const { link, ready, until } = connect({ retryDelaysMs: [60_000] });
  const first = await ready();
  const answer = failure(link.client.send_message({ message: "Hello" }));
  first.event(first.request("send_message").params["channel"], 1, { status: "queued", position: 0 });
  const waiting = until("waiting");
  first.end("gone");
  await waiting;
  await settled();
  await Promise.all([link.close(), link.close()]);
  assert.ok((await answer) instanceof ConnectionClosedError);
  assert.equal(link.state.status, "closed");
});
