import { ActionIcon, Group, Text, Title, Tooltip } from "@mantine/core";
import { IconAdjustments } from "@tabler/icons-react";
import { type KeyboardEvent, type ReactNode, useCallback, useMemo } from "react";
import { create } from "zustand";
import { go } from "../../frame/route";
import { ErrorCard } from "../../parts/error_card";
import { focusMessage } from "../../parts/focus";
import { report } from "../../parts/problems";
import { open, stop, useChat } from "../../state/chat";
import { useWorld } from "../../state/feed";
import { isOver, shown } from "../../state/messages";
import { takePreset } from "../../state/prefs";
import { titleOf } from "../../state/sessions";
import { serverFor, takesMessages } from "../../state/world";
import { type Actions, ChatActions } from "./actions";
import { ChatSettings } from "./chat_settings";
import { Composer } from "./composer";
import { MessageList } from "./message_list";
import { beginChat, editMessage, regenerate, send } from "./sending";
import { NoModel, Welcome } from "./welcome";

/** The chat whose settings are open. A chat that is not there yet is made for them. */
const useSettings = create<{ of: string | null }>(() => ({ of: null }));

function showSettings(id: string): void {
  const chat = id === "" ? beginChat() : Promise.resolve(id);
  chat.then((of) => {
    useSettings.setState({ of });
    if (of !== id) go("chat", of);
  }, report);
}

function hideSettings(): void {
  useSettings.setState({ of: null });
  focusMessage();
}

const NOTHING = { messages: [], hasMore: false };

/** One conversation: its head, its messages and the place to write. `id` is "" for one that is not there yet. */
export function ChatView({ id, start }: { id: string; start: ReactNode }) {
  const session = useWorld(({ sessions }) => sessions[id]);
  const conversation = useChat(({ conversations }) => conversations[id]);
  const turn = useChat(({ turns }) => turns[id]);
  const failure = useChat(({ failures }) => failures[id]);
  const server = useWorld((world) => serverFor(world, session?.server_id));
  const settings = useSettings(({ of }) => of === id);
  const items = useMemo(() => shown(conversation ?? NOTHING, turn), [conversation, turn]);
  const busy = turn !== undefined && !isOver(turn);
  const ready = server !== null && takesMessages(server);
  const onSend = useCallback(
    (text: string, images: string[]) => {
      const chat = id || crypto.randomUUID();
      if (id === "") {
        takePreset(chat);
        go("chat", chat);
      }
      send(chat, text, images).catch(report);
    },
    [id],
  );
  const actions = useMemo<Actions>(
    () => ({
      regenerate: (message) => {
        regenerate(id, message).catch(report);
        focusMessage();
      },
      edit: (message, text) => {
        editMessage(id, message, text).catch(report);
        focusMessage();
      },
      busy,
      sessionId: id,
    }),
    [id, busy],
  );
  const onKey = (event: KeyboardEvent): void => {
    // Events of menus and dialogs come by here, too: they are drawn elsewhere.
    const here = event.target instanceof Node && event.currentTarget.contains(event.target);
    if (event.key === "Escape" && busy && here) stop(id).catch(report);
  };
  return (
    <section className="chat-main" aria-label={titleOf(session)} onKeyDown={onKey}>
      <header className="chat-head">
        {start}
        <Title order={1} size="h5" style={{ flex: 1, minWidth: 0 }}>
          <Text span inherit truncate display="block">
            {titleOf(session)}
          </Text>
        </Title>
        <Tooltip label="Settings of this chat">
          <ActionIcon size="lg" aria-label="Settings of this chat" onClick={() => showSettings(id)}>
            <IconAdjustments size={20} />
          </ActionIcon>
        </Tooltip>
      </header>
      <ChatActions.Provider value={actions}>
        {failure !== undefined && id !== "" ? (
          <div className="chat-error">
            <ErrorCard error={failure} onRetry={() => void open(id)} />
          </div>
        ) : items.length === 0 && (id === "" || conversation !== undefined) ? (
          ready ? (
            <Welcome
              model={server.model ?? server.server_id}
              vision={server.actual?.vision ?? false}
              onSend={(text) => onSend(text, [])}
            />
          ) : (
            <NoModel server={server} />
          )
        ) : (
          <MessageList
            id={id}
            items={items}
            hasMore={conversation?.hasMore ?? false}
            known={conversation !== undefined}
          />
        )}
      </ChatActions.Provider>
      {items.length > 0 && !ready && (
        <Group className="chat-column" justify="center" pb={8}>
          <Text size="sm" c="dimmed">
            No model is ready to answer.
          </Text>
          <NoModel server={server} small />
        </Group>
      )}
      <Composer
        id={id}
        session={session}
        server={server}
        busy={busy}
        onSend={onSend}
        onSettings={() => showSettings(id)}
      />
      <ChatSettings session={session} opened={settings} onClose={hideSettings} />
    </section>
  );
}
