import type { ToolCall } from "@llama-sidecar/client";
import { UnstyledButton } from "@mantine/core";
import { IconChevronRight } from "@tabler/icons-react";
import { lazy, Suspense, useId, useState } from "react";
import { duration } from "../../parts/format";
import { ToolCalls } from "./tool_calls";

const Markdown = lazy(() => import("./markdown"));

interface Props {
  content: string;
  reasoning: string;
  toolCalls: readonly ToolCall[];
  /** It is still being written. */
  writing: boolean;
  /** How long it thought, seconds. */
  thought?: number | null;
}

export function Answer({ content, reasoning, toolCalls, writing, thought }: Props) {
  return (
    <>
      {reasoning !== "" && (
        <Reasoning text={reasoning} open={false} thought={thought} writing={writing && content === ""} />
      )}
      {content !== "" && (
        <Suspense fallback={<div className="prose plain">{content}</div>}>
          <Markdown text={content} writing={writing} />
        </Suspense>
      )}
      <ToolCalls calls={toolCalls} />
    </>
  );
}

function Reasoning(props: { text: string; open: boolean; thought?: number | null | undefined; writing: boolean }) {
  const [open, setOpen] = useState(props.open);
  const id = useId();
  const words = props.writing ? "Thinking" : props.thought ? `Thought for ${duration(props.thought)}` : "Thoughts";
  return (
    <div className="reasoning">
      <UnstyledButton aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
        <IconChevronRight size={14} className="fold" data-open={open || undefined} aria-hidden />
        {words}
        {props.writing && "…"}
      </UnstyledButton>
      <div id={id} hidden={!open} className="reasoning-text">
        {props.text}
      </div>
    </div>
  );
}
