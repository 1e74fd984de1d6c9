import type { TurnEvent, TurnResult } from "@llama-sidecar/client";
import { describe, expect, it } from "vitest";
import { applyTurnEvent, newTurn, type Turn, waitingFor } from "./turn";

const RESULT: TurnResult = {
  session_id: "s",
  message_id: "a1",
  user_message_id: "u1",
  content: "Hello there",
  finish_reason: "stop",
  usage: { prompt_tokens: 3, completion_tokens: 2, cached_tokens: 0 },
  timings: { ttft_ms: 10, prompt_per_second: 100, predicted_per_second: 50, total_ms: 60 },
  context: { policy: "error", max_context: 100, used: 5, dropped_messages: 0 },
  warnings: [],
};

const play = (turn: Turn, events: [number, TurnEvent][], at = 5000): Turn =>
  events.reduce((now, [seq, event]) => applyTurnEvent(now, event, seq, at), turn);

const token = (chunk: string): TurnEvent => ({ status: "token", chunk });

describe("a turn", () => {
  it("puts the tokens together in their order", () => {
    const turn = play(newTurn("s", 0), [
      [1, { status: "queued", position: 0 }],
      [2, token("Hello")],
      [3, token(" there")],
    ]);
    expect(turn).toMatchObject({ content: "Hello there", phase: "answering", seq: 3, firstAt: 5000 });
  });

  it("takes an event only once", () => {
    const turn = play(newTurn("s", 0), [
      [1, token("a")],
      [2, token("b")],
      [1, token("a")],
      [2, token("b")],
      [3, token("c")],
    ]);
    expect(turn.content).toBe("abc");
  });

  it("takes nothing in after a gap until what is missing has come", () => {
    const gap = play(newTurn("s", 0), [
      [1, token("a")],
      [3, token("c")],
      [4, token("d")],
    ]);
    expect(gap).toMatchObject({ content: "a", seq: 1, gap: true });
    const mended = play(gap, [
      [2, token("b")],
      [3, token("c")],
      [4, token("d")],
    ]);
    expect(mended).toMatchObject({ content: "abcd", seq: 4, gap: false });
  });

  it("takes in what an app has merged, and a long text in its pieces", () => {
    let turn = applyTurnEvent(newTurn("s", 0), token("abcd"), 4, 0, 1);
    expect(turn).toMatchObject({ content: "abcd", seq: 4, gap: false });
    turn = applyTurnEvent(turn, token("e, its beginning, "), 4, 0, 5);
    turn = applyTurnEvent(turn, token("and its end"), 5, 0, 5);
    expect(turn).toMatchObject({ content: "abcde, its beginning, and its end", seq: 5, gap: false });
    expect(applyTurnEvent(turn, token("fgh"), 9, 0, 7).gap).toBe(true);
  });

  it("measures how long the model thought", () => {
    let turn = applyTurnEvent(newTurn("s", 0), { status: "reasoning", reasoning: "Hm" }, 1, 1000);
    expect(turn.phase).toBe("reasoning");
    turn = applyTurnEvent(turn, token("Yes"), 2, 3500);
    expect(turn).toMatchObject({ reasoning: "Hm", reasoningFrom: 1000, reasoningTo: 3500, content: "Yes" });
  });

  it("ends with the response's text, and then stays as it is", () => {
    const turn = play(newTurn("s", 0), [
      [1, token("Hello")],
      [2, { ...RESULT, status: "done" }],
      [3, token("more")],
    ]);
    expect(turn).toMatchObject({ phase: "done", content: "Hello there", result: { message_id: "a1" } });
  });

  it("keeps the text of an answer that was stopped or that failed", () => {
    const stopped = play(newTurn("s", 0), [
      [1, token("Hel")],
      [2, { status: "cancelled", partial: "Hello" }],
    ]);
    expect(stopped).toMatchObject({ phase: "cancelled", content: "Hello" });
    const error = { code: -32014, message: "The engine ended.", data: { name: "ENGINE_CRASHED" } };
    const failed = play(newTurn("s", 0), [
      [1, token("Hel")],
      [2, { status: "error", error }],
    ]);
    expect(failed).toMatchObject({ phase: "failed", content: "Hel", error });
  });

  it("says what it waits for", () => {
    const queued = play(newTurn("s", 0), [[1, { status: "queued", position: 2 }]]);
    expect(waitingFor(queued)).toBe("Waiting for 2 messages before this one");
    const reading = play(queued, [[2, { status: "prefill", processed: 10, total: 40, cached: 0 }]]);
    expect(waitingFor(reading)).toBe("Reading the prompt: 10 of 40 tokens");
  });
});
