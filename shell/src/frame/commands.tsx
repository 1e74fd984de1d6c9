import { Combobox, InputBase, Modal, ScrollArea, Text, useCombobox, useMantineColorScheme } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useFocusBack } from "../parts/focus";
import { useWorld } from "../state/feed";
import { titleOf } from "../state/sessions";
import { startAnother } from "../state/starts";
import { go } from "./route";

interface Command {
  id: string;
  title: string;
  kind: string;
  run: () => void;
}

/** As many as can be read in one view; more are found by typing. */
const SHOWN = 12;

export default function Commands({ onClose, onHelp }: { onClose: () => void; onHelp: () => void }) {
  const [query, setQuery] = useState("");
  useFocusBack();
  const box = useCombobox({ opened: true });
  const commands = useCommands(onHelp);
  const words = query.toLowerCase().split(/\s+/);
  const found = commands
    .filter(({ title, kind }) => words.every((word) => `${kind} ${title}`.toLowerCase().includes(word)))
    .slice(0, SHOWN);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the first one is chosen again with every letter
  useEffect(() => void box.selectFirstOption(), [query]);
  const choose = (id: string): void => {
    onClose();
    found.find((command) => command.id === id)?.run();
  };
  return (
    <Modal
      opened
      onClose={onClose}
      withCloseButton={false}
      padding={8}
      yOffset="12vh"
      centered={false}
      title="Find"
      classNames={{ header: "visually-hidden" }}
    >
      <Combobox store={box} onOptionSubmit={choose}>
        <Combobox.EventsTarget>
          <InputBase
            data-autofocus
            aria-label="Find a page, a chat or an action"
            leftSection={<IconSearch size={16} aria-hidden />}
            placeholder="Find a page, a chat or an action"
            value={query}
            onChange={(event) => setQuery(event.currentTarget.value)}
            // The list, which is always open, keeps Escape from the dialog.
            onKeyDown={(event) => event.key === "Escape" && onClose()}
          />
        </Combobox.EventsTarget>
        <ScrollArea.Autosize mah="50vh" mt={8}>
          <Combobox.Options aria-label="Found">
            {found.map(({ id, title, kind }) => (
              <Combobox.Option key={id} value={id}>
                <Text span size="sm">
                  {title}
                </Text>{" "}
                <Text span size="xs" c="inherit">
                  {kind}
                </Text>
              </Combobox.Option>
            ))}
            {found.length === 0 && <Combobox.Empty>Nothing of that name.</Combobox.Empty>}
          </Combobox.Options>
        </ScrollArea.Autosize>
      </Combobox>
    </Modal>
  );
}

function useCommands(onHelp: () => void): Command[] {
  const sessions = useWorld((world) => world.sessions);
  const models = useWorld((world) => world.models);
  const { setColorScheme } = useMantineColorScheme();
  const act = (title: string, run: () => void, kind = "Action"): Command => ({
    id: `${kind}:${title}`,
    title,
    kind,
    run,
  });
  return [
    act("New chat", () => go("chat")),
    ...(["chat", "servers", "models", "monitor", "logs", "settings"] as const).map((page) =>
      act(page.charAt(0).toUpperCase() + page.slice(1), () => go(page), "Page"),
    ),
    act("Light colours", () => setColorScheme("light")),
    act("Dark colours", () => setColorScheme("dark")),
    act("Colours of the system", () => setColorScheme("auto")),
    act("Keyboard shortcuts", onHelp),
    ...Object.values(models)
      .filter(({ valid }) => valid)
      .map(({ name }) => ({
        ...act(`Start ${name}`, () => void startAnother({ model: name }), "Model"),
        id: `start:${name}`,
      })),
    ...Object.values(sessions)
      .sort((a, b) => b.updated_at - a.updated_at)
      .map((session) => ({
        ...act(titleOf(session), () => go("chat", session.session_id), "Chat"),
        id: session.session_id,
      })),
  ];
}
