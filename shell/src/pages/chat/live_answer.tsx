import { Loader, Text } from "@mantine/core";
import { ErrorCard } from "../../parts/error_card";
import { focusMessage } from "../../parts/focus";
import { dismiss } from "../../state/chat";
import { isOver, type Turn, waitingFor } from "../../state/turn";
import { Answer } from "./answer";
import { Remedies } from "./remedies";

/** The answer that is being written, or that failed. */
export function LiveAnswer({ turn }: { turn: Turn }) {
  const { content, reasoning, toolCalls, reasoningFrom, reasoningTo, error } = turn;
  const over = isOver(turn);
  const thought = reasoningFrom !== null && reasoningTo !== null ? (reasoningTo - reasoningFrom) / 1000 : null;
  const begun = content !== "" || reasoning !== "";
  return (
    <article className="message" aria-label="Answer" aria-busy={!over}>
      <Answer content={content} reasoning={reasoning} toolCalls={toolCalls} writing={!over} thought={thought} />
      {!over && !begun && (
        <Text size="sm" c="dimmed" role="status">
          <Loader size={14} type="dots" mr={8} aria-hidden style={{ display: "inline-flex" }} />
          {waitingFor(turn)}
        </Text>
      )}
      {error !== null && (
        <ErrorCard
          error={error}
          onDismiss={() => {
            dismiss(turn.sessionId);
            focusMessage();
          }}
        >
          <Remedies turn={turn} />
        </ErrorCard>
      )}
    </article>
  );
}
