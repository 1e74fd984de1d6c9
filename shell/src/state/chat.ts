/**
 * Conversations and the answers being written in them.
 *
 * Owns sending, following and stopping answers, and what of the history is loaded. A lost connection or a reload loses
 * nothing: the sidecar continues, and `follow` resumes where the page was. What events mean is in turn.ts.
 */

import { ConnectionClosedError, SidecarError, type TurnEvent, type TurnResult } from "@llama-sidecar/client";
import { create } from "zustand";
import { client, useLink } from "../link/link";
import { type Conversation, prepended, readAgain, unfinished, withoutKept } from "./messages";
import { applyTurnEvent, isOver, newTurn, type Turn } from "./turn";

interface Chat {
  conversations: Readonly<Record<string, Conversation>>;
  turns: Readonly<Record<string, Turn>>;
  /** Why a conversation could not be read. */
  failures: Readonly<Record<string, unknown>>;
  /** How long was thought before an answer, seconds, by its id. The history does not have it. */
  thoughts: Readonly<Record<string, number>>;
  /** The last answer that was finished, for the bar at the bottom. */
  last: TurnResult | null;
}

export const useChat = create<Chat>(() => ({ conversations: {}, turns: {}, failures: {}, thoughts: {}, last: null }));

/** Messages of the first paint, and of a later reading of the end; older ones come as they are scrolled to. */
const LAST_PAGE = 60;
const FURTHER_PAGE = 400;

type Take = (event: TurnEvent, seq: number, first: number) => void;

type Follower = (onEvent: Take) => Promise<TurnResult>;

const setTurn = (id: string, turn: Turn | undefined): void =>
  useChat.setState(({ turns }) => {
    const { [id]: _old, ...others } = turns;
    return { turns: turn === undefined ? others : { ...others, [id]: turn } };
  });

/** Read a conversation, and follow an answer that is being written in it. */
export async function open(id: string): Promise<void> {
  try {
    const running = await load(id);
    const turn = useChat.getState().turns[id];
    if (running && (turn === undefined || isOver(turn))) void follow(id, newTurn(id, Date.now()));
  } catch (error) {
    if (error instanceof ConnectionClosedError) return;
    useChat.setState(({ failures }) => ({ failures: { ...failures, [id]: error } }));
  }
}

async function load(id: string): Promise<boolean> {
  const page = await client().get_messages({ session_id: id, limit: LAST_PAGE });
  useChat.setState(({ conversations, failures }) => {
    const { [id]: _mended, ...others } = failures;
    const now = readAgain(conversations[id], page.messages, page.has_more);
    return { conversations: { ...conversations, [id]: now }, failures: others };
  });
  return unfinished(page.messages) !== null;
}

/** Read the messages above those that are there. */
export async function loadOlder(id: string): Promise<void> {
  const before = useChat.getState().conversations[id]?.messages[0]?.message_id;
  if (before === undefined) return;
  const page = await client().get_messages({ session_id: id, limit: FURTHER_PAGE, before });
  useChat.setState(({ conversations }) => {
    const now = conversations[id];
    if (now === undefined || now.messages[0]?.message_id !== before) return {};
    return { conversations: { ...conversations, [id]: prepended(now, page.messages, page.has_more) } };
  });
}

/** A session that the page has just made: there is nothing to read. */
export function begin(id: string): void {
  useChat.setState(({ conversations }) => ({
    conversations: { ...conversations, [id]: { messages: [], hasMore: false } },
  }));
}

/** Run one turn to its end. `ask` is send_message, regenerate_message or edit_message. */
export async function run(turn: Turn, ask: Follower): Promise<void> {
  const id = turn.sessionId;
  const { take, takeIn } = taker(id);
  setTurn(id, turn);
  try {
    await ask(take).finally(takeIn);
    await finished(turn);
  } catch (error) {
    await failed(id, error);
  }
}

/** Take up an answer again, from the last event that is here. */
export async function follow(id: string, turn: Turn): Promise<void> {
  await run({ ...turn, gap: false }, (onEvent) =>
    client().resume_session({ session_id: id, after_seq: turn.seq }, { onEvent }),
  );
}

/** Events of one frame become one change. What waits for the next frame is taken in by `takeIn`. */
function taker(id: string): { take: Take; takeIn: () => void } {
  let waiting: Parameters<Take>[] = [];
  let planned = false;
  const takeIn = (): void => {
    planned = false;
    const events = waiting;
    waiting = [];
    const before = useChat.getState().turns[id];
    if (before === undefined) return;
    const at = Date.now();
    const after = events.reduce((turn, [event, seq, first]) => applyTurnEvent(turn, event, seq, at, first), before);
    if (after !== before) setTurn(id, after);
    if (after.gap && !before.gap) void follow(id, after);
  };
  const take: Take = (event, seq, first) => {
    waiting.push([event, seq, first]);
    // A page in the background gets no frames, and its text still has to go somewhere.
    if (document.hidden) takeIn();
    else if (!planned) {
      planned = true;
      requestAnimationFrame(takeIn);
    }
  };
  return { take, takeIn };
}

async function finished({ sessionId: id, startedAt }: Turn): Promise<void> {
  await load(id);
  const turn = useChat.getState().turns[id];
  if (turn?.startedAt !== startedAt) return; // the next one has begun meanwhile
  if (turn.result) noteEnd(turn, turn.result);
  setTurn(id, undefined);
  client()
    .ack({ session_id: id })
    .catch(() => undefined); // kept a little longer, then
}

function noteEnd({ reasoningFrom, reasoningTo }: Turn, result: TurnResult): void {
  useChat.setState(({ thoughts }) => {
    if (reasoningFrom === null || reasoningTo === null) return { last: result };
    return { last: result, thoughts: { ...thoughts, [result.message_id]: (reasoningTo - reasoningFrom) / 1000 } };
  });
}

async function failed(id: string, error: unknown): Promise<void> {
  const turn = useChat.getState().turns[id];
  if (turn === undefined) return;
  if (error instanceof ConnectionClosedError) {
    lost.add(id);
    if (useLink.getState().state === "online") recoverSoon(id); // it is reported after the new connection
    return;
  }
  if (!(error instanceof SidecarError)) {
    setTurn(id, { ...turn, phase: "failed", error: { code: 0, message: String(error), data: {} } });
    return;
  }
  const wire = { code: error.code, message: error.message, data: { ...error.data } };
  await load(id).catch(() => undefined);
  const messages = useChat.getState().conversations[id]?.messages ?? [];
  const left = withoutKept({ ...turn, phase: "failed", error: wire }, messages);
  setTurn(id, error.errorName === "CANCELLED" ? undefined : left);
}

/** Forget an answer that failed. */
export function dismiss(id: string): void {
  setTurn(id, undefined);
}

/** Turns whose connection went before a word of them came: it is unknown whether they have arrived. */
const lost = new Set<string>();

/** After a new connection: read again what is on the screen. Running answers continue by themselves. */
export function takeUpAgain(): void {
  const { turns, conversations } = useChat.getState();
  for (const id of Object.keys(conversations)) if (turns[id] === undefined) void open(id);
  for (const id of lost) recoverSoon(id);
}

const recoverSoon = (id: string): void => void recover(id).catch(() => undefined); // with the next connection, then

async function recover(id: string): Promise<void> {
  const turn = useChat.getState().turns[id];
  if (turn === undefined) return;
  const running = await load(id).catch((error: unknown) => {
    if (error instanceof SidecarError) return false; // a session that was never made
    throw error;
  });
  lost.delete(id);
  const messages = useChat.getState().conversations[id]?.messages ?? [];
  if (running) await follow(id, newTurn(id, turn.startedAt));
  else if (messages.some(({ created_at }) => created_at * 1000 >= turn.startedAt)) setTurn(id, undefined);
  else setTurn(id, { ...turn, phase: "failed", error: NOT_SENT });
}

const NOT_SENT = {
  code: 0,
  message: "The connection was lost before this had arrived.",
  data: { name: "CONNECTION_LOST", hint: "Send it again.", retryable: true, remedies: [] },
};

export async function stop(id: string): Promise<void> {
  await client().cancel_message({ session_id: id });
}

/** Go to another branch. */
export async function toBranch(id: string, message: string): Promise<void> {
  await client().update_session({ session_id: id, branch: message });
  await load(id);
}
