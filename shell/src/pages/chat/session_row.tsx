import type { Session } from "@llama-sidecar/client";
import { ActionIcon, Menu, Text, TextInput } from "@mantine/core";
import { IconDots, IconPin } from "@tabler/icons-react";
import { memo, useState } from "react";
import { go } from "../../frame/route";
import { client } from "../../link/link";
import { exact } from "../../parts/format";
import { report, told } from "../../parts/problems";
import { useChat } from "../../state/chat";
import { togglePinned, usePrefs } from "../../state/prefs";
import { titleOf } from "../../state/sessions";
import { exportSession } from "./export";

interface Props {
  session: Session;
  current: boolean;
}

export const SessionRow = memo(function SessionRow({ session, current }: Props) {
  const id = session.session_id;
  const [renaming, setRenaming] = useState(false);
  const busy = useChat(({ turns }) => turns[id] !== undefined && turns[id].phase !== "failed");
  const pinned = usePrefs((prefs) => prefs.pinned.includes(id));
  if (renaming) return <Rename session={session} onDone={() => setRenaming(false)} />;
  return (
    <div className="session" data-current={current || undefined}>
      <a href={`#/chat/${id}`} aria-current={current ? "page" : undefined} title={exact(session.updated_at)}>
        {busy && <span className="dot" data-state="busy" role="img" aria-label="Being answered" />}
        <Text span size="sm" truncate style={{ flex: 1 }}>
          {titleOf(session)}
        </Text>
        {pinned && <IconPin size={13} aria-label="Pinned" />}
      </a>
      <Menu>
        <Menu.Target>
          <ActionIcon className="session-menu" aria-label={`Menu of ${titleOf(session)}`}>
            <IconDots size={16} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => setRenaming(true)}>Rename</Menu.Item>
          <Menu.Item onClick={() => togglePinned(id)}>{pinned ? "Unpin" : "Pin"}</Menu.Item>
          <Menu.Item onClick={() => archive(session, !session.archived)}>
            {session.archived ? "Bring back from the archive" : "Archive"}
          </Menu.Item>
          <Menu.Item onClick={() => void exportSession(id, "markdown").catch(report)}>Export as Markdown</Menu.Item>
          <Menu.Item onClick={() => void exportSession(id, "json").catch(report)}>Export as JSON</Menu.Item>
          <Menu.Divider />
          <Menu.Item color="var(--bad)" onClick={() => remove(session, current)}>
            Delete
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </div>
  );
});

function Rename({ session, onDone }: { session: Session; onDone: () => void }) {
  const [title, setTitle] = useState(session.title);
  const save = (): void => {
    onDone();
    const wanted = title.trim();
    if (wanted === "" || wanted === session.title) return;
    client().update_session({ session_id: session.session_id, title: wanted }).catch(report);
  };
  return (
    <TextInput
      autoFocus
      aria-label="Title"
      value={title}
      onChange={(event) => setTitle(event.currentTarget.value)}
      onFocus={(event) => event.currentTarget.select()}
      onBlur={save}
      onKeyDown={(event) => {
        if (event.key === "Enter") save();
        if (event.key === "Escape") onDone();
      }}
    />
  );
}

export function archive(session: Session, archived: boolean): void {
  const put = (value: boolean) => client().update_session({ session_id: session.session_id, archived: value });
  put(archived).then(
    () =>
      told(archived ? `“${titleOf(session)}” is archived.` : `“${titleOf(session)}” is back.`, () => put(!archived)),
    report,
  );
}

export function remove(session: Session, current: boolean): void {
  const session_id = session.session_id;
  client()
    .delete_session({ session_id })
    .then(() => {
      if (current) go("chat");
      told(`“${titleOf(session)}” was deleted.`, async () => {
        await client().restore_session({ session_id });
        if (current) go("chat", session_id);
      });
    }, report);
}
