import type { ServerInfo } from "@llama-sidecar/client";
import { Button, Group, Progress, Select, Stack, Text, Title, UnstyledButton } from "@mantine/core";
import { IconMessageCircle, IconServer2 } from "@tabler/icons-react";
import { useState } from "react";
import { go } from "../../frame/route";
import { Empty } from "../../parts/empty";
import { ErrorCard } from "../../parts/error_card";
import { useWorld } from "../../state/feed";
import { dismissStart, STAGES, startServer, useStarts } from "../../state/starts";
import { isStarting } from "../../state/world";

const IDEAS = [
  "Explain how a transformer model predicts the next word.",
  "Write a Python function that finds duplicate files in a folder.",
  "Give me three names for a small bakery, with a reason each.",
  "What should I check before I buy a used bicycle?",
];

export function Welcome({ model, onSend }: { model: string; vision: boolean; onSend: (text: string) => void }) {
  return (
    <div className="scroll" style={{ display: "flex" }}>
      <Stack m="auto" p="md" maw={680} w="100%" gap="lg">
        <div style={{ textAlign: "center" }}>
          <IconMessageCircle size={34} stroke={1.4} aria-hidden />
          <Title order={2} size="h3">
            What is on your mind?
          </Title>
          <Text c="dimmed" size="sm">
            {model} answers, on this machine.
          </Text>
        </div>
        <div className="ideas">
          {IDEAS.map((idea) => (
            <UnstyledButton key={idea} className="idea" onClick={() => onSend(idea)}>
              {idea}
            </UnstyledButton>
          ))}
        </div>
      </Stack>
    </div>
  );
}

/** Nothing answers yet: start the model, without leaving the chat. */
export function NoModel({ server, small = false }: { server: ServerInfo | null; small?: boolean }) {
  const models = useWorld((world) => world.models);
  const starts = useStarts((state) => state.starts);
  const [chosen, setChosen] = useState<string | null>(null);
  const names = Object.values(models).flatMap(({ name, valid, capabilities }) =>
    valid && capabilities?.includes("embeddings") !== true ? [name] : [],
  );
  const model = chosen ?? (server?.state === "failed" ? server.model : null) ?? names[0] ?? null;
  const id = server?.server_id ?? "default";
  const start = starts[id];
  const busy = (start !== undefined && start.failed === null) || (server !== null && isStarting(server));
  const begin = (): void => void startServer({ server_id: id, ...(model === null ? {} : { model }) });
  const stage = STAGES.find(([name]) => name === (start?.stage ?? server?.state))?.[1];
  const body = busy ? (
    <Stack w={260} gap={6} role="status">
      <Text size="sm">{stage}</Text>
      <Progress
        value={start?.progress ? start.progress * 100 : 100}
        animated={!start?.progress}
        aria-label={stage ?? "Starting"}
      />
      {start && (
        <Button size="xs" variant="default" onClick={start.cancel}>
          Cancel
        </Button>
      )}
    </Stack>
  ) : names.length === 0 ? (
    <Button onClick={() => go("models")}>Find a model</Button>
  ) : (
    <Group gap={8} justify="center">
      <Select
        aria-label="Model"
        data={names}
        value={model}
        onChange={setChosen}
        allowDeselect={false}
        w="min(300px, 80vw)"
        size={small ? "xs" : "sm"}
      />
      <Button onClick={begin} size={small ? "xs" : "sm"}>
        Start
      </Button>
    </Group>
  );
  const failed = start?.failed ?? (server?.state === "failed" ? server.error : null);
  if (small) return body;
  return (
    <div className="scroll" style={{ display: "flex" }}>
      <Empty
        icon={<IconServer2 size={26} stroke={1.5} />}
        title={busy ? "The model is on its way" : names.length === 0 ? "No model yet" : "No model is loaded"}
        actions={
          <>
            {body}
            {failed && !busy ? (
              <div style={{ textAlign: "left", width: "100%" }}>
                <ErrorCard error={failed} source={`server:${id}`} onDismiss={() => dismissStart(id)} />
              </div>
            ) : null}
            {!busy && names.length > 0 && (
              <Button variant="subtle" size="compact-sm" onClick={() => go("servers")}>
                More settings
              </Button>
            )}
          </>
        }
      >
        {busy ? "You can write already, and send when it is ready." : "Choose one, and it answers here."}
      </Empty>
    </div>
  );
}
