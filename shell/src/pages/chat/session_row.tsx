import type { Session } from "@llama-sidecar/client";
import { ActionIcon, Menu, Text, TextInput } from "@mantine/core";
import { IconDots, IconPin } from "@tabler/icons-react";
import { memo, useRef, useState } from "react";
import { go } from "../../frame/route";
import { client } from "../../link/link";
import { afterMenu, focusSoon } from "../../parts/focus";
import { exact } from "../../parts/format";
import { report, toast } from "../../parts/problems";
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
  const menu = useRef<HTMLButtonElement>(null);
  const renamed = (byKey: boolean): void => {
    setRenaming(false);
    if (byKey) focusSoon(() => menu.current);
  };
  if (renaming) return <Rename session={session} onDone={renamed} />;
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
          <ActionIcon ref={menu} className="session-menu" aria-label={`Menu of ${titleOf(session)}`}>
            <IconDots size={16} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={afterMenu(() => setRenaming(true))}>Rename</Menu.Item>
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

function Rename({ session, onDone }: { session: Session; onDone: (byKey: boolean) => void }) {
  const [title, setTitle] = useState(session.title);
  const save = (byKey: boolean): void => {
    onDone(byKey);
    const newTitle = title.trim();
    if (newTitle === "" || newTitle === session.title) return;
    client().update_session({ session_id: session.session_id, title: newTitle }).catch(report);
  };
  return (
    <TextInput
      autoFocus
      aria-label="Title"
      value={title}
      onChange={(event) => setTitle(event.currentTarget.value)}
      onFocus={(event) => event.currentTarget.select()}
      onBlur={() => save(false)}
      onKeyDown={(event) => {
        if (event.key === "Enter") save(true);
        if (event.key === "Escape") onDone(true);
      }}
    />
  );
}

/** Its own row has gone, and the focus with it. */
const firstChat = (): HTMLElement | null => document.querySelector(".sessions-list a");

export function archive(session: Session, archived: boolean): void {
  const put = (value: boolean) => client().update_session({ session_id: session.session_id, archived: value });
  put(archived).then(() => {
    toast(archived ? `“${titleOf(session)}” is archived.` : `“${titleOf(session)}” is back.`, () => put(!archived));
    focusSoon(firstChat);
  }, report);
}

export function remove(session: Session, current: boolean): void {
  const session_id = session.session_id;
  client()
    .delete_session({ session_id })
    .then(() => {
      if (current) go("chat");
      focusSoon(firstChat);
      toast(`“${titleOf(session)}” was deleted.`, async () => {
        await client().restore_session({ session_id });
        if (current) go("chat", session_id);
      });
    }, report);
}
