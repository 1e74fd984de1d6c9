import type { ModelInfo } from "@llama-sidecar/client";
import { Badge, Button, Card, Group, Menu, Text, Title } from "@mantine/core";
import { IconDots, IconPlayerPlayFilled } from "@tabler/icons-react";
import { useState } from "react";
import { go } from "../../frame/route";
import { afterMenu } from "../../parts/focus";
import { ago, bytes, count, exact, short } from "../../parts/format";
import { useWorld } from "../../state/feed";
import { startAnother } from "../../state/starts";
import { DeleteModel } from "./delete_model";
import { FitMark } from "./fit_mark";
import { Inspect } from "./inspect";

const ORIGINS: Record<ModelInfo["origin"], string> = {
  own: "this library",
  folder: "a folder of yours",
  huggingface: "Hugging Face's cache",
  lm_studio: "LM Studio",
  ollama: "Ollama",
  jan: "Jan",
  llama_cpp: "llama.cpp's cache",
};

export function ModelCard({ model }: { model: ModelInfo }) {
  const [open, setOpen] = useState<"inspect" | "delete" | null>(null);
  const running = useWorld(({ servers }) => Object.values(servers).some(({ model: used }) => used === model.name));
  const own = model.origin === "own";
  const start = (): void => {
    void startAnother({ model: model.name });
    go("servers");
  };
  return (
    <Card component="article" aria-label={model.name} className="model">
      <Group wrap="nowrap" align="flex-start" gap={8}>
        <Title order={2} size="h6" style={{ flex: 1, minWidth: 0, overflowWrap: "anywhere" }}>
          {model.name}
          {model.display_name && model.display_name !== model.name && (
            <Text size="xs" c="dimmed" fw={400}>
              {model.display_name}
            </Text>
          )}
        </Title>
        <Menu>
          <Menu.Target>
            <Button size="compact-sm" variant="subtle" color="gray" aria-label={`Menu of ${model.name}`}>
              <IconDots size={17} aria-hidden />
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={afterMenu(() => setOpen("inspect"))}>What it is</Menu.Item>
            <Menu.Item
              disabled={!own}
              color={own ? "var(--bad)" : undefined}
              onClick={afterMenu(() => setOpen("delete"))}
            >
              {own ? "Delete" : "Delete: it belongs to another program"}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </Group>
      <Group gap={6}>
        {model.quantization && <Mark>{model.quantization}</Mark>}
        {model.parameters !== null && <Mark>{short(model.parameters)} parameters</Mark>}
        {model.capabilities?.map((capability) => (
          <Mark key={capability}>{capability}</Mark>
        ))}
        {running && <Mark>running</Mark>}
      </Group>
      <Text size="sm" c="dimmed">
        {bytes(model.size_bytes)}
        {model.context_length !== null && ` · context ${count(model.context_length)}`}
        {` · ${ORIGINS[model.origin]}`}
        <span title={exact(model.modified_at)}> · {ago(model.modified_at)}</span>
      </Text>
      {model.valid ? (
        <Group justify="space-between" mt="auto" wrap="nowrap">
          <FitMark model={model.name} />
          <Button size="xs" leftSection={<IconPlayerPlayFilled size={13} aria-hidden />} onClick={start}>
            Start
          </Button>
        </Group>
      ) : (
        <Text size="sm" c="var(--bad)">
          {model.problem ?? "Its header could not be read."}
        </Text>
      )}
      {open === "inspect" && <Inspect model={model} onClose={() => setOpen(null)} />}
      {open === "delete" && <DeleteModel model={model} onClose={() => setOpen(null)} />}
    </Card>
  );
}

function Mark({ children }: { children: React.ReactNode }) {
  return (
    <Badge variant="default" size="sm">
      {children}
    </Badge>
  );
}
