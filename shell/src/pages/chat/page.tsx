import { ActionIcon, Drawer } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconLayoutSidebar } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useRoute } from "../../frame/route";
import { useLink } from "../../link/link";
import { open, useChat } from "../../state/chat";
import { useWorld } from "../../state/feed";
import "./chat.css";
import { ChatView } from "./chat_view";
import { FirstRun } from "./first_run";
import { Sessions } from "./sessions";

export function Chat() {
  const id = useRoute().rest;
  const narrow = useMediaQuery("(max-width: 62em)", undefined, { getInitialValueInEffect: false });
  const [listed, setListed] = useState(false);
  const online = useLink(({ client }) => client !== null);
  const known = useChat(({ conversations }) => id === "" || conversations[id] !== undefined);
  const head = useWorld(({ sessions }) => sessions[id]?.head);
  // Another page has said something, or gone to another branch.
  const behind = useChat(({ conversations: { [id]: it }, turns: { [id]: turn } }) => {
    if (it === undefined || turn !== undefined || !head) return false;
    return !it.messages.some(({ message_id }) => message_id === head);
  });
  const nothing = useWorld(
    ({ modelsKnown, models, servers, sessions, sessionsKnown }) =>
      modelsKnown && sessionsKnown && empty(models) && empty(servers) && empty(sessions),
  );
  useEffect(() => {
    if (online && (!known || behind)) void open(id);
  }, [online, known, behind, id]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: going to another chat closes the drawer
  useEffect(() => setListed(false), [id]);
  if (nothing) return <FirstRun />;
  return (
    <div className="chat">
      {narrow ? (
        <Drawer opened={listed} onClose={() => setListed(false)} title="Chats" size={320} padding="xs">
          <Sessions current={id} />
        </Drawer>
      ) : (
        <aside className="chat-side" aria-label="Chats">
          <Sessions current={id} />
        </aside>
      )}
      <ChatView
        key={id || "new"}
        id={id}
        start={
          narrow && (
            <ActionIcon size="lg" aria-label="Show the chats" onClick={() => setListed(true)}>
              <IconLayoutSidebar size={20} />
            </ActionIcon>
          )
        }
      />
    </div>
  );
}

const empty = (all: object): boolean => Object.keys(all).length === 0;
