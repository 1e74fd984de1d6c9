/** What of a conversation is on the screen. Pure: the history's messages and the answer being written, in one list. */

import type { Message } from "@llama-sidecar/client";
import { isOver, type Turn } from "./turn";

export interface Conversation {
  messages: readonly Message[];
  hasMore: boolean;
}

export type Item =
  | { kind: "message"; key: string; message: Message }
  | { kind: "said"; key: string; text: string; images: readonly string[] }
  | { kind: "turn"; key: string; turn: Turn };

/** The messages of the branch, then what is being said and answered. Nothing is there twice. */
export function shown(conversation: Conversation, turn: Turn | undefined): Item[] {
  const { messages } = conversation;
  if (turn === undefined) return messages.map(asItem);
  const kept = upTo(
    messages.filter((message) => message.state !== "running"),
    turn,
  );
  const finished = turn.result?.message_id;
  if (finished !== undefined && messages.some(({ message_id }) => message_id === finished)) return messages.map(asItem);
  const items = kept.map(asItem);
  if (turn.said !== null && !holds(kept, turn.said, turn)) {
    items.push({ kind: "said", key: "said", text: turn.said, images: turn.images });
  }
  items.push({ kind: "turn", key: "turn", turn });
  return items;
}

function upTo(messages: readonly Message[], turn: Turn): readonly Message[] {
  if (turn.under === undefined) return messages;
  const last = messages.findIndex(({ message_id }) => message_id === turn.under);
  return messages.slice(0, last + 1);
}

/** Whether the history already has what was said: it is kept before the answer begins. */
function holds(messages: readonly Message[], said: string, turn: Turn): boolean {
  const last = messages.at(-1);
  return (
    last !== undefined &&
    last.role === "user" &&
    last.content === said &&
    last.created_at * 1000 >= turn.startedAt - 1000
  );
}

const asItem = (message: Message): Item => ({ kind: "message", key: message.message_id, message });

/** A turn that failed, without what the history has kept of it: that is shown from there. */
export function withoutKept(turn: Turn, messages: readonly Message[]): Turn {
  const kept = messages.some(({ created_at }) => created_at * 1000 >= turn.startedAt - 1000);
  return kept ? { ...turn, said: null, under: undefined, content: "", reasoning: "", toolCalls: [] } : turn;
}

/** After the last page was read: what stood above it stays, for what a message answers never changes. */
export function readAgain(
  before: Conversation | undefined,
  messages: readonly Message[],
  hasMore: boolean,
): Conversation {
  const first = messages[0]?.message_id;
  const at = before?.messages.findIndex(({ message_id }) => message_id === first) ?? -1;
  if (before === undefined || at <= 0) return { messages, hasMore };
  return { messages: [...before.messages.slice(0, at), ...messages], hasMore: before.hasMore };
}

/** A further page above those that are there. */
export function prepended(conversation: Conversation, older: readonly Message[], hasMore: boolean): Conversation {
  const known = new Set(conversation.messages.map(({ message_id }) => message_id));
  return { messages: [...older.filter(({ message_id }) => !known.has(message_id)), ...conversation.messages], hasMore };
}

/** Where a message stands among its siblings; null where it has none. */
export function branchOf(
  message: Message,
): { place: number; of: number; before: string | null; after: string | null } | null {
  const place = message.siblings.indexOf(message.message_id);
  if (message.siblings.length < 2 || place < 0) return null;
  return {
    place: place + 1,
    of: message.siblings.length,
    before: message.siblings[place - 1] ?? null,
    after: message.siblings[place + 1] ?? null,
  };
}

/** The answer under way that the history reports after a reload. */
export function unfinished(messages: readonly Message[]): Message | null {
  return messages.findLast(({ state }) => state === "running") ?? null;
}

export { isOver };
