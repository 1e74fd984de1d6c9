import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";

import { NotAdmittedError } from "../src/index.js";
import { keyIn, type PageKey, shakeHands } from "../src/transports/handshake.js";
import { pageKeys, type PageWindow } from "../src/transports/page_keys.js";
import { FakeSidecar, LINK } from "./fake_socket.js";

const HOST = "127.0.0.1:8123";

/** The messages of a socket whose other side answers each with the next of these. */
function answering(...answers: string[]) {
  const sent: string[] = [];
  const next = () => Promise.resolve(answers.shift() as string);
  return { sent, messages: { send: (text: string) => void sent.push(text), next } };
}

test("both sides have the same key afterwards, which is not the link's", async () => {
  const sidecar = new FakeSidecar(HOST, LINK.secret);
  const key = await shakeHands(sidecar, HOST, LINK);
  assert.deepEqual(key, { name: sidecar.nameOf("session"), secret: sidecar.derived("session"), isLink: false });
  const other = new FakeSidecar(HOST, key.secret);
  assert.equal(await shakeHands(other, HOST, key), key);
  const link = await shakeHands(other, HOST, key, "link");
  assert.deepEqual(link, { name: other.nameOf("link"), secret: other.derived("link"), isLink: true });
});

test("nothing but a name and a nonce is sent to a program without the key", async () => {
  const wrong = createHmac("sha256", "guess").update("x").digest("base64url");
  const replies = [`{"nonce":"n","proof":"${wrong}"}`, '{"admitted":true}', "no JSON", "null", '{"proof":null}', "[]"];
  for (const reply of replies) {
    const { sent, messages } = answering(reply, '{"admitted":true}');
    await assert.rejects(shakeHands(messages, HOST, LINK), NotAdmittedError);
    assert.deepEqual(sent.map((text) => Object.keys(JSON.parse(text))), [["key", "nonce", "purpose"]]);
    assert.ok(!sent.join().includes(LINK.secret));
  }
});

test("a sidecar at another address proves nothing here", async () => {
  await assert.rejects(shakeHands(new FakeSidecar("127.0.0.1:9999", LINK.secret), HOST, LINK), NotAdmittedError);
});

test("only a whole token in an address is a key", () => {
  assert.deepEqual(keyIn("#token=a-b.c_d"), { name: "a-b", secret: "c_d", isLink: true });
  for (const other of ["", "#/chat", "#token=", "#token=a", "#token=a.", "#token=a.b&c", "#token=a.b.c", "?token=a.b"]) {
    assert.equal(keyIn(other), undefined);
  }
});

/** A tab of a browser; tabs of one browser share a channel, and nothing else. */
class Tab {
  readonly stored = new Map<string, string>();
  readonly location: { hash: string; pathname: string; reload: () => void };
  reloads = 0;
  hashChanges: () => void = () => undefined;
  readonly keys;

  constructor(browser: Set<{ onmessage: ((event: any) => void) | null }>, hash = "") {
    this.location = { hash, pathname: "/", reload: () => this.reloads++ };
    const { stored, location } = this;
    class BroadcastChannel {
      onmessage: ((event: any) => void) | null = null;
      constructor(readonly name: string) {
        browser.add(this);
      }
      postMessage(data: unknown) {
        for (const other of browser) if (other !== this) queueMicrotask(() => other.onmessage?.({ data }));
      }
    }
    const page: PageWindow = {
      location,
      history: { replaceState: (_data, _unused, url) => (location.hash = url === "/" ? "" : url) },
      sessionStorage: { getItem: (name) => stored.get(name) ?? null, setItem: (name, text) => stored.set(name, text) },
      BroadcastChannel,
      addEventListener: (_type, listener) => (this.hashChanges = listener),
    };
    this.keys = pageKeys(page);
  }
}

test("a token is taken out of the address immediately, and kept over a reload", async () => {
  const tab = new Tab(new Set(), "#token=a.b");
  assert.equal(tab.location.hash, "");
  assert.deepEqual(await tab.keys.current(), { name: "a", secret: "b", isLink: true });
});

test("another address in the same tab is taken instead", async () => {
  const tab = new Tab(new Set(), "#token=a.b");
  tab.location.hash = "#/models";
  tab.hashChanges();
  assert.equal(tab.reloads, 0);
  tab.location.hash = "#token=c.d";
  tab.hashChanges();
  assert.equal(tab.reloads, 1);
  assert.equal((await tab.keys.current())?.name, "c");
});

test("a tab without a key gets a link from one that is connected, and never its key", async () => {
  const browser = new Set<{ onmessage: ((event: any) => void) | null }>();
  const [connected, gone, empty] = [new Tab(browser, "#token=a.b"), new Tab(browser, "#token=e.f"), new Tab(browser)];
  const link: PageKey = { name: "c", secret: "d", isLink: true };
  connected.keys.share(() => Promise.resolve(link));
  gone.keys.share(() => Promise.reject(new Error("no sidecar")));
  assert.deepEqual(await empty.keys.current(), link);
  assert.deepEqual(await empty.keys.current(), link);
  assert.deepEqual(JSON.parse([...connected.stored.values()].join()), { name: "a", secret: "b", isLink: true });
});
