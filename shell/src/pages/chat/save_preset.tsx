import type { SessionConfig } from "@llama-sidecar/client";
import { Button, Group, Popover, TextInput } from "@mantine/core";
import { useState } from "react";
import { client } from "../../link/link";
import { report } from "../../parts/problems";

interface Props {
  config: SessionConfig;
  system: string;
  onSaved: (name: string) => void;
}

/** Keep this chat's settings under a name, for other chats. */
export function SavePreset({ config, system, onSaved }: Props) {
  const [opened, setOpened] = useState(false);
  const [name, setName] = useState("");
  const save = (): void => {
    const preset = { ...config, ...(system === "" ? {} : { system }) };
    client()
      .set_config({ patch: { chat_presets: { [name.trim()]: preset } } })
      .then(() => {
        setOpened(false);
        onSaved(name.trim());
      }, report);
  };
  return (
    <Popover opened={opened} onChange={setOpened} trapFocus position="top-end">
      <Popover.Target>
        <Button variant="default" size="xs" onClick={() => setOpened(!opened)}>
          Keep as a preset
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            save();
          }}
        >
          <Group align="flex-end" gap={8}>
            <TextInput
              label="Name of the preset"
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
            <Button type="submit" disabled={name.trim() === ""}>
              Keep
            </Button>
          </Group>
        </form>
      </Popover.Dropdown>
    </Popover>
  );
}
