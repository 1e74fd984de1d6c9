import type { ServerInfo } from "@llama-sidecar/client";
import { Alert, Button, Card, Group, Menu, Progress, Stack, Text, Title } from "@mantine/core";
import { IconChevronDown } from "@tabler/icons-react";
import { useState } from "react";
import { go } from "../../frame/route";
import { client } from "../../link/link";
import { ErrorCard } from "../../parts/error_card";
import { duration } from "../../parts/format";
import { report } from "../../parts/problems";
import { RemedyButtons } from "../../parts/remedy_buttons";
import { STATE_WORDS } from "../../parts/server_state";
import { useWorld } from "../../state/feed";
import { dismissStart, restartServer, STAGES, type Start, switchModel } from "../../state/starts";
import { openChange } from "./form";
import { LogTail } from "./log_tail";
import { ServerFacts } from "./server_facts";

interface Props {
  id: string;
  server: ServerInfo | undefined;
  start: Start | undefined;
}

export function ServerCard({ id, server, start }: Props) {
  const [log, setLog] = useState(false);
  const failure = start?.failed ?? server?.error;
  const starting = start !== undefined && start.failed === null;
  const state = server
    ? STATE_WORDS[server.state]
    : starting
      ? { word: "starting", dot: "busy" }
      : { word: "failed", dot: "bad" };
  return (
    <Card component="article" aria-label={`Server ${id}`}>
      <Stack gap="sm">
        <Group gap="xs" align="center">
          <span className="dot" data-state={state.dot} aria-hidden />
          <Title order={2} size="h5" style={{ overflowWrap: "anywhere" }}>
            {server?.model ?? id}
          </Title>
          <Text size="sm" c="dimmed" style={{ flex: 1 }}>
            {state.word} · {id}
            {server?.engine && ` · ${server.engine}`}
          </Text>
          <Buttons id={id} server={server} busy={starting} log={log} onLog={() => setLog(!log)} />
        </Group>
        {starting && <Stages start={start} />}
        {failure && !starting ? (
          <ErrorCard
            error={failure}
            source={`server:${id}`}
            onRetry={start?.again ?? (() => void restartServer(id))}
            {...(start?.failed ? { onDismiss: () => dismissStart(id) } : {})}
          />
        ) : null}
        {server?.warning && (
          <Alert color="yellow.8" variant="outline" title={server.warning.message}>
            {server.warning.hint}
            <RemedyButtons remedies={server.warning.remedies} />
          </Alert>
        )}
        {server && server.state !== "failed" && server.state !== "stopped" && <ServerFacts server={server} />}
        {log && <LogTail source={`server:${id}`} />}
      </Stack>
    </Card>
  );
}

function Stages({ start }: { start: Start }) {
  const at = STAGES.findIndex(([name]) => name === start.stage);
  return (
    <div role="status" aria-label="Progress of the start">
      <ol className="stages">
        {STAGES.map(([name, title], index) => (
          <li
            key={name}
            data-state={index < at ? "done" : index === at ? "now" : undefined}
            aria-current={index === at ? "step" : undefined}
          >
            {title}
          </li>
        ))}
      </ol>
      <Group gap="sm" wrap="nowrap">
        <Progress
          style={{ flex: 1 }}
          value={start.progress === null ? 100 : start.progress * 100}
          animated={start.progress === null}
          aria-label={STAGES[at]?.[1] ?? "Starting"}
        />
        <Text size="sm" c="dimmed">
          {start.progress !== null && `${Math.round(start.progress * 100)} %`}
          {start.etaMs !== null && ` · ${duration(start.etaMs / 1000)} left`}
        </Text>
        <Button size="xs" variant="default" onClick={start.cancel}>
          Cancel
        </Button>
      </Group>
    </div>
  );
}

function Buttons(props: {
  id: string;
  server: ServerInfo | undefined;
  busy: boolean;
  log: boolean;
  onLog: () => void;
}) {
  const { id, server, busy, log, onLog } = props;
  const models = useWorld((world) => world.models);
  const others = Object.values(models).filter(({ name, valid }) => valid && name !== server?.model);
  const stop = (): void => void client().stop_llama_server({ server_id: id }).catch(report);
  const alive = server !== undefined && server.state !== "stopped";
  return (
    <Group gap={6}>
      <Button size="xs" variant="default" onClick={onLog} aria-expanded={log}>
        {log ? "Hide log" : "Log"}
      </Button>
      {alive && (
        <>
          {others.length > 0 && (
            <Menu>
              <Menu.Target>
                <Button
                  size="xs"
                  variant="default"
                  disabled={busy}
                  rightSection={<IconChevronDown size={14} aria-hidden />}
                >
                  Switch
                </Button>
              </Menu.Target>
              <Menu.Dropdown mah={320} style={{ overflow: "auto" }}>
                {others.map(({ name }) => (
                  <Menu.Item key={name} onClick={() => void switchModel(id, name)}>
                    {name}
                  </Menu.Item>
                ))}
              </Menu.Dropdown>
            </Menu>
          )}
          <Button size="xs" variant="default" disabled={busy} onClick={() => openChange(id).catch(report)}>
            Change
          </Button>
          <Button size="xs" variant="default" disabled={busy} onClick={() => void restartServer(id)}>
            Restart
          </Button>
          <Button size="xs" variant="default" onClick={stop}>
            {server.state === "failed" ? "Remove" : "Stop"}
          </Button>
          {server.state === "ready" && (
            <Button size="xs" onClick={() => go("chat")}>
              Chat
            </Button>
          )}
        </>
      )}
    </Group>
  );
}
