import type { Message, ToolCall } from "@llama-sidecar/client";
import { Code, UnstyledButton } from "@mantine/core";
import { IconChevronRight, IconTool } from "@tabler/icons-react";
import { useId, useState } from "react";

/** What the model wants called, each folded. */
export function ToolCalls({ calls }: { calls: readonly ToolCall[] }) {
  return calls.map((call) => (
    <Folded key={call.id} title={`Calls ${call.function.name}`}>
      {pretty(call.function.arguments)}
    </Folded>
  ));
}

export function ToolResultView({ message }: { message: Message }) {
  return <Folded title="Result of the tool">{pretty(message.content)}</Folded>;
}

function Folded({ title, children }: { title: string; children: string }) {
  const [open, setOpen] = useState(false);
  const id = useId();
  return (
    <div className="tool">
      <UnstyledButton aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
        <IconChevronRight size={14} className="fold" data-open={open || undefined} aria-hidden />
        <IconTool size={15} aria-hidden />
        {title}
      </UnstyledButton>
      <div id={id} hidden={!open}>
        <Code block>{children}</Code>
      </div>
    </div>
  );
}

/** JSON as the model wrote it may be wrong: then it is shown as it is. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
