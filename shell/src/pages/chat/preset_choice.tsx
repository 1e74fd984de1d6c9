import { Button, Menu } from "@mantine/core";
import { IconAdjustmentsHorizontal, IconCheck } from "@tabler/icons-react";
import { useAnswer } from "../../link/use_answer";
import { choosePreset, usePrefs } from "../../state/prefs";

/** Which of the config's chat presets this chat uses. */
export function PresetChoice({ id, onSettings }: { id: string; onSettings: () => void }) {
  const chosen = usePrefs(({ presets }) => presets[id] ?? null);
  const { value, reload } = useAnswer("chat presets", (client) => client.get_config());
  const names = Object.keys(value?.chat_presets ?? {});
  return (
    <Menu position="top-start" onOpen={reload}>
      <Menu.Target>
        <Button
          size="compact-sm"
          variant="subtle"
          color="gray"
          leftSection={<IconAdjustmentsHorizontal size={16} aria-hidden />}
          className="preset"
        >
          <span className="visually-hidden">Preset: </span>
          <span className={chosen === null ? "wide-only" : undefined}>{chosen ?? "Default"}</span>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {[null, ...names].map((name) => (
          <Menu.Item
            key={name ?? ""}
            onClick={() => choosePreset(id, name)}
            rightSection={chosen === name ? <IconCheck size={14} aria-label="in use" /> : null}
          >
            {name ?? "Default"}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item onClick={onSettings}>Settings of this chat</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
