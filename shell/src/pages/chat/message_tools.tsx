import type { Message } from "@llama-sidecar/client";
import { ActionIcon, Group, Text, Tooltip } from "@mantine/core";
import { IconChevronLeft, IconChevronRight, IconPencil, IconRefresh } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { CopyButton } from "../../parts/copy_button";
import { report } from "../../parts/problems";
import { toBranch } from "../../state/chat";
import { branchOf } from "../../state/messages";
import { useActions } from "./actions";

interface Props {
  message: Message;
  /** An answer, or a message that has none: it was stopped before its first word, or refused. */
  answerable: boolean;
  onEdit?: () => void;
  children?: ReactNode;
}

/** What stands under a message, on hover and on focus: copy, regenerate, edit, branches, numbers. */
export function MessageTools({ message, answerable, onEdit, children }: Props) {
  const { regenerate, busy } = useActions();
  const said = message.role === "user";
  return (
    <Group className="message-tools" gap={4} justify={said ? "flex-end" : "flex-start"}>
      <Branches message={message} />
      <CopyButton icon label="Copy the text" text={() => message.content} />
      {onEdit && (
        <Tool label="Edit and send again" disabled={busy} onClick={onEdit}>
          <IconPencil size={16} />
        </Tool>
      )}
      {answerable && (
        <Tool label={said ? "Answer it" : "Answer again"} disabled={busy} onClick={() => regenerate(message)}>
          <IconRefresh size={16} />
        </Tool>
      )}
      {children}
    </Group>
  );
}

function Tool(props: { label: string; disabled: boolean; onClick: () => void; children: ReactNode }) {
  return (
    <Tooltip label={props.label}>
      <ActionIcon size="sm" aria-label={props.label} disabled={props.disabled} onClick={props.onClick}>
        {props.children}
      </ActionIcon>
    </Tooltip>
  );
}

function Branches({ message }: { message: Message }) {
  const { sessionId, busy } = useActions();
  const branch = branchOf(message);
  if (branch === null) return null;
  const to = (id: string | null): void => {
    if (id !== null) toBranch(sessionId, id).catch(report);
  };
  return (
    <Group gap={0} role="group" aria-label={`Branch ${branch.place} of ${branch.of}`}>
      <ActionIcon
        size="sm"
        aria-label="Branch before"
        disabled={busy || branch.before === null}
        onClick={() => to(branch.before)}
      >
        <IconChevronLeft size={16} />
      </ActionIcon>
      <Text size="xs" c="dimmed">
        {branch.place}/{branch.of}
      </Text>
      <ActionIcon
        size="sm"
        aria-label="Branch after"
        disabled={busy || branch.after === null}
        onClick={() => to(branch.after)}
      >
        <IconChevronRight size={16} />
      </ActionIcon>
    </Group>
  );
}
