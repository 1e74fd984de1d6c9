import { Button, Group, Popover, TextInput } from "@mantine/core";
import { useState } from "react";
import { client } from "../link/link";
import { report, toast } from "./problems";

interface Props {
  /** What the button says. */
  label: string;
  kind: "chat_presets" | "server_presets";
  preset: object;
  onSaved: (name: string) => void;
}

/** Keep settings under a name, for other chats or starts. */
export function SavePreset({ label, kind, preset, onSaved }: Props) {
  const [opened, setOpened] = useState(false);
  const [name, setName] = useState("");
  const save = (): void => {
    client()
      .set_config({ patch: { [kind]: { [name.trim()]: preset } } })
      .then(() => {
        setOpened(false);
        toast(`The preset “${name.trim()}” is kept.`);
        onSaved(name.trim());
      }, report);
  };
  return (
    <Popover opened={opened} onChange={setOpened} trapFocus returnFocus position="top-end">
      <Popover.Target>
        <Button variant="default" size="xs" onClick={() => setOpened(!opened)}>
          {label}
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label={label}>
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
