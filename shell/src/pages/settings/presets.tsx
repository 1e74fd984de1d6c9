import type { Config } from "@llama-sidecar/client";
import { Button, Card, Group, Stack, Text } from "@mantine/core";
import { IconBookmark } from "@tabler/icons-react";
import { client } from "../../link/link";
import { Empty } from "../../parts/empty";
import { spoken } from "../../parts/format";
import { report, toast } from "../../parts/problems";
import { leavePreset } from "../../state/prefs";

const KINDS = ["chat_presets", "server_presets"] as const;

/** Named settings of chats and of servers. They are made where they are used. */
export function Presets({ config, onChanged }: { config: Config; onChanged: () => void }) {
  const none = KINDS.every((kind) => Object.keys(config[kind] ?? {}).length === 0);
  if (none) {
    return (
      <Empty icon={<IconBookmark size={26} stroke={1.5} />} title="No presets yet">
        In the settings of a chat, “Keep as a preset” makes one; in the form of a start, “Save as preset”.
      </Empty>
    );
  }
  const put = (kind: string, name: string, value: unknown) =>
    client()
      .set_config({ patch: { [kind]: { [name]: value } } })
      .then(onChanged);
  const remove = (kind: (typeof KINDS)[number], name: string): void => {
    const old = config[kind]?.[name];
    put(kind, name, null).then(() => {
      if (kind === "chat_presets") leavePreset(name);
      toast(`The preset “${name}” is gone.`, () => put(kind, name, old));
    }, report);
  };
  return (
    <Stack>
      {KINDS.map((kind) => (
        <Stack key={kind} gap="xs">
          {Object.entries(config[kind] ?? {}).map(([name, preset]) => (
            <Card key={name} padding="sm">
              <Group justify="space-between" wrap="nowrap">
                <div style={{ minWidth: 0 }}>
                  <Text fw={500}>
                    {name}{" "}
                    <Text span size="sm" c="dimmed">
                      {kind === "chat_presets" ? "for chats" : "for servers"}
                    </Text>
                  </Text>
                  <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
                    {Object.entries(preset)
                      .filter(([, value]) => value !== null && value !== undefined)
                      .map(
                        ([key, value]) =>
                          `${spoken(key)}: ${typeof value === "object" ? JSON.stringify(value) : String(value)}`,
                      )
                      .join(" · ") || "Nothing set"}
                  </Text>
                </div>
                <Button size="xs" variant="default" onClick={() => remove(kind, name)}>
                  Delete
                </Button>
              </Group>
            </Card>
          ))}
        </Stack>
      ))}
    </Stack>
  );
}
