/** An answer while it is being written. Pure: events in, the state of the turn out. Knows no connection and no clock. */

import type { ToolCall, TurnEvent, TurnResult, WireError } from "@llama-sidecar/client";

export type Phase =
  | "sending"
  | "queued"
  | "loading"
  | "prefill"
  | "reasoning"
  | "answering"
  | "done"
  | "failed"
  | "cancelled";

export interface Turn {
  sessionId: string;
  phase: Phase;
  /** What was said, until the history has it; null where an earlier message is answered again. */
  said: string | null;
  images: readonly string[];
  /** The message under which the answer stands: those after it are of another branch. `undefined`: the last one. */
  under: string | null | undefined;
  /** The last event that was taken in. */
  seq: number;
  /** Events were lost on the way: they have to be asked for again, from `seq` on. */
  gap: boolean;
  position: number;
  /** How far the model is that is loaded for this message, 0 to 1; null where that is not known. */
  loaded: number | null;
  prefill: { processed: number; total: number; cached: number } | null;
  content: string;
  reasoning: string;
  reasoningFrom: number | null;
  reasoningTo: number | null;
  toolCalls: readonly ToolCall[];
  /** When it was sent and when its first text came; milliseconds of the same clock. */
  startedAt: number;
  firstAt: number | null;
  result: TurnResult | null;
  error: WireError | null;
}

export function newTurn(
  sessionId: string,
  at: number,
  part: Partial<Pick<Turn, "said" | "images" | "under">> = {},
): Turn {
  return {
    sessionId,
    phase: "sending",
    said: null,
    images: [],
    under: undefined,
    seq: 0,
    gap: false,
    position: 0,
    loaded: null,
    prefill: null,
    content: "",
    reasoning: "",
    reasoningFrom: null,
    reasoningTo: null,
    toolCalls: [],
    startedAt: at,
    firstAt: null,
    result: null,
    error: null,
    ...part,
  };
}

/**
 * One event, or several of an app that merges them, from `first` to `seq`. Events that were already applied are ignored, and after a
 * gap nothing is taken in until the missing has come.
 */
export function applyTurnEvent(turn: Turn, event: TurnEvent, seq: number, at: number, first = seq): Turn {
  if (first <= turn.seq || isOver(turn)) return turn;
  if (first > turn.seq + 1) return turn.gap ? turn : { ...turn, gap: true };
  const next = { ...turn, seq, gap: false };
  switch (event.status) {
    case "queued":
      return { ...next, phase: "queued", position: event.position };
    case "loading":
      return { ...next, phase: "loading", loaded: event.progress };
    case "prefill": {
      const { processed, total, cached } = event;
      return { ...next, phase: "prefill", prefill: { processed, total, cached } };
    }
    case "reasoning":
      return {
        ...next,
        phase: "reasoning",
        reasoning: turn.reasoning + event.reasoning,
        reasoningFrom: turn.reasoningFrom ?? at,
        firstAt: turn.firstAt ?? at,
      };
    case "token":
      return {
        ...thought(next, at),
        phase: "answering",
        content: turn.content + event.chunk,
        firstAt: turn.firstAt ?? at,
      };
    case "tool_call":
      return { ...thought(next, at), phase: "answering", toolCalls: [...turn.toolCalls, event.tool_call] };
    case "done":
      return {
        ...thought(next, at),
        phase: "done",
        result: event,
        content: event.content,
        reasoning: event.reasoning ?? turn.reasoning,
        toolCalls: event.tool_calls ?? turn.toolCalls,
      };
    case "error":
      return { ...thought(next, at), phase: "failed", error: event.error };
    case "cancelled":
      return { ...thought(next, at), phase: "cancelled", content: event.partial ?? turn.content };
    default:
      return next;
  }
}

function thought(turn: Turn, at: number): Turn {
  return turn.reasoningFrom !== null && turn.reasoningTo === null ? { ...turn, reasoningTo: at } : turn;
}

export const isOver = ({ phase }: Turn): boolean => phase === "done" || phase === "failed" || phase === "cancelled";

/** Tokens of prompt and answer so far, in words for the line under an answer that has not begun. */
export function waitingFor(turn: Turn): string {
  if (turn.phase === "queued" && turn.position > 0) {
    return turn.position === 1
      ? "Waiting for one message before this one"
      : `Waiting for ${turn.position} messages before this one`;
  }
  if (turn.phase === "prefill" && turn.prefill !== null && turn.prefill.total > 0) {
    const { processed, total } = turn.prefill;
    return `Reading the prompt: ${processed} of ${total} tokens`;
  }
  if (turn.phase === "loading") {
    return turn.loaded === null ? "Loading the model" : `Loading the model: ${Math.round(100 * turn.loaded)} %`;
  }
  return turn.phase === "sending" ? "Sending" : "Waiting for the first word";
}
