import type { Message } from "@llama-sidecar/client";
import { Button, Group, Text, Textarea } from "@mantine/core";
import { memo, useRef, useState } from "react";
import { focusSoon } from "../../parts/focus";
import { count, duration, exact } from "../../parts/format";
import { useChat } from "../../state/chat";
import { useActions } from "./actions";
import { Answer } from "./answer";
import { MessageTools } from "./message_tools";
import { SaidView } from "./said_view";
import { imagesOf } from "./sending";
import { ToolResultView } from "./tool_calls";

interface Props {
  message: Message;
  /** Nothing comes after it. */
  last: boolean;
}

export const MessageView = memo(function MessageView({ message, last }: Props) {
  const [editing, setEditing] = useState(false);
  const { edit } = useActions();
  const thought = useChat(({ thoughts }) => thoughts[message.message_id]);
  const article = useRef<HTMLElement>(null);
  if (message.role === "tool") return <ToolResultView message={message} />;
  if (message.role === "user") {
    return (
      <article ref={article} tabIndex={-1} className="message" aria-label={`You, ${exact(message.created_at)}`}>
        {editing ? (
          <Editor
            text={message.content}
            onCancel={() => {
              setEditing(false);
              focusSoon(() => article.current);
            }}
            onSave={(text) => {
              setEditing(false);
              edit(message, text);
            }}
          />
        ) : (
          <>
            <SaidView text={message.content} images={imagesOf(message)} />
            <MessageTools message={message} answerable={last} onEdit={() => setEditing(true)} />
          </>
        )}
      </article>
    );
  }
  return (
    <article className="message" aria-label={`Answer of ${message.model ?? "the model"}, ${exact(message.created_at)}`}>
      <Answer
        content={message.content}
        reasoning={message.reasoning ?? ""}
        toolCalls={message.tool_calls ?? []}
        writing={false}
        thought={thought ?? null}
      />
      {ENDS[message.state] && (
        <Text size="sm" c="dimmed" mt={4}>
          {ENDS[message.state]}
        </Text>
      )}
      {message.finish_reason === "length" && (
        <Text size="sm" c="dimmed" mt={4}>
          It ends here because the longest answer or the end of the context was reached.
        </Text>
      )}
      <MessageTools message={message} answerable>
        <Numbers message={message} />
      </MessageTools>
    </article>
  );
});

const ENDS: Partial<Record<Message["state"], string>> = {
  cancelled: "Stopped here.",
  interrupted: "The sidecar ended while this was being written; what was kept is here.",
  error: "The engine failed while this was being written; what was kept is here.",
};

function Numbers({ message: { usage, timings, model } }: { message: Message }) {
  if (usage === null || timings === null) return null;
  const speed = timings.predicted_per_second;
  const words = [
    `${count(usage.completion_tokens)} tokens`,
    ...(speed === null ? [] : [`${speed.toFixed(1)} tok/s`]),
    ...(timings.ttft_ms === null ? [] : [`first after ${duration(timings.ttft_ms / 1000)}`]),
  ];
  const more = `${model ?? ""} · prompt ${count(usage.prompt_tokens)} tokens, ${count(usage.cached_tokens)} of them from the cache · ${duration(timings.total_ms / 1000)} in all`;
  return (
    <Text size="xs" c="dimmed" title={more}>
      {words.join(" · ")}
    </Text>
  );
}

function Editor({ text, onSave, onCancel }: { text: string; onSave: (text: string) => void; onCancel: () => void }) {
  const [value, setValue] = useState(text);
  return (
    <>
      <Textarea
        aria-label="Change the message"
        autosize
        autoFocus
        maxRows={14}
        value={value}
        onChange={(event) => setValue(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") onCancel();
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) onSave(value);
        }}
      />
      <Group mt={8} gap={8} justify="flex-end">
        <Text size="xs" c="dimmed" style={{ flex: 1 }}>
          The old message and its answers stay as a branch.
        </Text>
        <Button size="xs" variant="default" onClick={onCancel}>
          Cancel
        </Button>
        <Button size="xs" disabled={value.trim() === ""} onClick={() => onSave(value)}>
          Send
        </Button>
      </Group>
    </>
  );
}
