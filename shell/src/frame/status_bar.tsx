import type { ServerInfo } from "@llama-sidecar/client";
import { Button, Group, Menu, Progress, Text, UnstyledButton } from "@mantine/core";
import { IconChevronUp } from "@tabler/icons-react";
import { client, useLink } from "../link/link";
import { bytes, count, duration, percent } from "../parts/format";
import { report, toast } from "../parts/problems";
import { STATE_WORDS } from "../parts/server_state";
import { useChat } from "../state/chat";
import { useWorld } from "../state/feed";
import { restartServer, STAGES, type Start, switchModel, useStarts } from "../state/starts";
import { serverFor } from "../state/world";
import { Connection } from "./connection";
import { DownloadTray } from "./download_tray";
import { go, useRoute } from "./route";

/** The one truth about the engine: what it is, how it is, how fast, how full. */
export function StatusBar() {
  const { page, rest } = useRoute();
  const sessionServer = useWorld(({ sessions }) => (page === "chat" ? sessions[rest]?.server_id : null));
  const server = useWorld((world) => serverFor(world, sessionServer));
  const online = useLink(({ state }) => state === "online");
  const starts = useStarts((state) => state.starts);
  const start = Object.values(starts).find(({ failed }) => failed === null);
  return (
    <footer className="bar">
      {!online ? <Unknown /> : start ? <Starting start={start} /> : server ? <Running server={server} /> : <NoServer />}
      <span className="grow" />
      <DownloadTray />
      <Connection />
    </footer>
  );
}

/** Without a connection its state is unknown. */
function Unknown() {
  const connecting = useLink(({ state }) => state === "connecting");
  return (
    <Group gap={8} wrap="nowrap">
      <span className="dot" aria-hidden />
      <span className="quiet">{connecting ? "Connecting" : "Not known without a connection"}</span>
    </Group>
  );
}

function NoServer() {
  return (
    <Group gap={8} wrap="nowrap">
      <span className="dot" aria-hidden />
      <span>No model is loaded</span>
      <Button size="compact-xs" variant="default" onClick={() => go("servers")}>
        Start one
      </Button>
    </Group>
  );
}

function Starting({ start }: { start: Start }) {
  const known = start.progress !== null;
  const stage = STAGES.find(([name]) => name === start.stage)?.[1] ?? start.stage;
  return (
    <Group gap={8} wrap="nowrap" role="status">
      <span className="dot" data-state="busy" aria-hidden />
      <span>{stage}</span>
      {known && (
        <>
          <Progress value={(start.progress ?? 0) * 100} w={90} aria-label={stage} />
          <span>{Math.round((start.progress ?? 0) * 100)} %</span>
        </>
      )}
      {start.etaMs !== null && <span className="quiet wide-only">{duration(start.etaMs / 1000)} left</span>}
      <Button size="compact-xs" variant="default" onClick={start.cancel}>
        Cancel
      </Button>
    </Group>
  );
}

function Running({ server }: { server: ServerInfo }) {
  const last = useChat((chat) => chat.last);
  const { word, dot } = STATE_WORDS[server.state];
  const speed = last?.timings.predicted_per_second;
  const memory = server.actual?.memory.filter(({ device }) => device !== "Host") ?? [];
  return (
    <>
      <ServerMenu server={server}>
        <UnstyledButton className="bar-button">
          <Group gap={8} wrap="nowrap">
            <span className="dot" data-state={dot} aria-hidden />
            <Text span size="sm" fw={600} truncate maw="min(42vw, 340px)">
              {server.model ?? server.server_id}
            </Text>
            <span>{word}</span>
            <IconChevronUp size={14} aria-hidden />
          </Group>
        </UnstyledButton>
      </ServerMenu>
      {speed && (
        <span className="wide-only" title="Speed of the last answer">
          {speed.toFixed(0)} tok/s
        </span>
      )}
      {last && (
        <Group gap={6} wrap="nowrap" className="wide-only">
          <span>
            ctx {count(last.context.used)}/{count(last.context.max_context)}
          </span>
          <Progress
            w={70}
            value={percent(last.context.used, last.context.max_context)}
            aria-label="Context of the last answer"
          />
        </Group>
      )}
      {memory.map(({ device, weights_bytes, kv_cache_bytes, compute_bytes }) => (
        <span key={device} className="wide-only">
          {device} {bytes(weights_bytes + kv_cache_bytes + compute_bytes)}
        </span>
      ))}
    </>
  );
}

function ServerMenu({ server, children }: { server: ServerInfo; children: React.ReactNode }) {
  const models = useWorld((world) => world.models);
  const others = Object.values(models).filter(({ name, valid }) => valid && name !== server.model);
  const stop = (): void =>
    void client()
      .stop_llama_server({ server_id: server.server_id })
      .then(() => toast("The server was stopped."), report);
  return (
    <Menu position="top-start" width={280}>
      <Menu.Target>{children}</Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{server.message}</Menu.Label>
        <Menu.Item onClick={() => go("servers")}>Show this server</Menu.Item>
        <Menu.Item onClick={() => go("logs", `server:${server.server_id}`)}>Show its log</Menu.Item>
        <Menu.Item onClick={() => void restartServer(server.server_id)}>Restart</Menu.Item>
        <Menu.Item onClick={stop}>Stop</Menu.Item>
        {others.length > 0 && <Menu.Label>Switch to</Menu.Label>}
        {others.slice(0, 6).map(({ name }) => (
          <Menu.Item key={name} onClick={() => void switchModel(server.server_id, name)}>
            <Text size="sm" truncate>
              {name}
            </Text>
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
