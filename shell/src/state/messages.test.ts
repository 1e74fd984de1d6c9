import type { Message } from "@llama-sidecar/client";
import { describe, expect, it } from "vitest";
import { branchOf, type Conversation, prepended, readAgain, shown, unfinished, withoutKept } from "./messages";
import { newTurn } from "./turn";

const message = (id: string, part: Partial<Message> = {}): Message => ({
  message_id: id,
  session_id: "s",
  parent_id: null,
  role: id.startsWith("u") ? "user" : "assistant",
  content: id,
  state: "complete",
  finish_reason: null,
  usage: null,
  timings: null,
  model: null,
  created_at: 1,
  siblings: [id],
  ...part,
});

const conversation = (...messages: Message[]): Conversation => ({ messages, hasMore: false });
const keys = (items: { key: string }[]): string[] => items.map(({ key }) => key);

describe("what is shown of a conversation", () => {
  it("is the history where nothing is under way", () => {
    expect(keys(shown(conversation(message("u1"), message("a1")), undefined))).toEqual(["u1", "a1"]);
  });

  it("has what was said, and then the answer", () => {
    const turn = newTurn("s", 10_000, { said: "And now?" });
    expect(keys(shown(conversation(message("u1"), message("a1")), turn))).toEqual(["u1", "a1", "said", "turn"]);
  });

  it("has nothing twice once the history holds what was said", () => {
    const turn = newTurn("s", 10_000, { said: "And now?" });
    const kept = conversation(
      message("u2", { content: "And now?", created_at: 10.2 }),
      message("a2", { state: "running" }),
    );
    expect(keys(shown(kept, turn))).toEqual(["u2", "turn"]);
  });

  it("has nothing twice once the history holds the answer", () => {
    const turn = { ...newTurn("s", 10_000, { said: "x" }), result: { message_id: "a2" } as never };
    expect(keys(shown(conversation(message("u2"), message("a2")), turn))).toEqual(["u2", "a2"]);
  });

  it("shows the same words said again a second time", () => {
    const turn = newTurn("s", 500_000, { said: "Again" });
    const kept = conversation(message("u1", { content: "Again", created_at: 1 }));
    expect(keys(shown(kept, turn))).toEqual(["u1", "said", "turn"]);
  });

  it("leaves out what stands under the message that is answered again", () => {
    const kept = conversation(message("u1"), message("a1"), message("u2"), message("a2"));
    expect(keys(shown(kept, newTurn("s", 0, { under: "u1" })))).toEqual(["u1", "turn"]);
    expect(keys(shown(kept, newTurn("s", 1e9, { under: null, said: "new" })))).toEqual(["said", "turn"]);
  });
});

describe("an answer that failed", () => {
  it("is shown once: the history has its text, the turn only the error", () => {
    const kept = [message("u2", { created_at: 10.1 }), message("a2", { state: "error", created_at: 10.2 })];
    const failed = { ...newTurn("s", 10_000, { said: "u2" }), phase: "failed" as const, content: "a2" };
    expect(keys(shown({ messages: kept, hasMore: false }, withoutKept(failed, kept)))).toEqual(["u2", "a2", "turn"]);
    expect(withoutKept(failed, kept)).toMatchObject({ said: null, content: "" });
  });

  it("keeps what was said where the history has not got it", () => {
    const failed = { ...newTurn("s", 10_000, { said: "u2" }), phase: "failed" as const };
    expect(withoutKept(failed, [message("u1", { created_at: 1 })]).said).toBe("u2");
  });
});

describe("older messages", () => {
  it("come before those that are there, each once", () => {
    const more = prepended(conversation(message("u2"), message("a2")), [message("u1"), message("u2")], true);
    expect(more.messages.map(({ message_id }) => message_id)).toEqual(["u1", "u2", "a2"]);
    expect(more.hasMore).toBe(true);
  });
});

describe("branches", () => {
  it("are counted from one, with their neighbours", () => {
    const branch = branchOf(message("a2", { siblings: ["a1", "a2", "a3"] }));
    expect(branch).toEqual({ place: 2, of: 3, before: "a1", after: "a3" });
  });

  it("are none where a message has no sibling", () => {
    expect(branchOf(message("a1"))).toBeNull();
  });

  it("an answer under way is found after a reload", () => {
    expect(unfinished([message("u1"), message("a1", { state: "running" })])?.message_id).toBe("a1");
    expect(unfinished([message("u1"), message("a1")])).toBeNull();
  });
});

describe("a conversation whose end was read again", () => {
  const before: Conversation = { messages: ["u1", "a1", "u2"].map((id) => message(id)), hasMore: true };

  it("keeps the older messages that stood above it", () => {
    const now = readAgain(before, [message("u2"), message("a2")], false);
    expect(now.messages.map(({ message_id }) => message_id)).toEqual(["u1", "a1", "u2", "a2"]);
    expect(now.hasMore).toBe(true);
  });

  it("is what was read where nothing of it is known", () => {
    expect(readAgain(before, [message("u9")], false)).toEqual({ messages: [message("u9")], hasMore: false });
    expect(readAgain(undefined, [message("u9")], true)).toEqual({ messages: [message("u9")], hasMore: true });
  });
});
