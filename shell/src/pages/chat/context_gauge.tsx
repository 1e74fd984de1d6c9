import type { ContextPolicy, Session } from "@llama-sidecar/client";
import { Button, Group, Progress, Text, Tooltip } from "@mantine/core";
import { go } from "../../frame/route";
import { client } from "../../link/link";
import { count } from "../../parts/format";
import { report } from "../../parts/problems";
import { openLargerContext } from "../servers/form";
import { WAY_WORDS } from "./remedies";
import type { Reading } from "./use_gauge";

/** Used and largest context, the draft counted. */
export function ContextGauge({ reading }: { reading: Reading }) {
  const words = `${count(reading.used)} of ${count(reading.max)} tokens of the context, this message included`;
  return (
    <Tooltip label={words}>
      <Group gap={6} wrap="nowrap">
        <Progress
          w={64}
          value={reading.percent}
          color={reading.level === "good" ? "blue" : reading.level === "near" ? "yellow.8" : "red"}
          aria-label={words}
        />
        <Text size="xs" c="dimmed" style={{ whiteSpace: "nowrap" }}>
          {count(reading.used)} / {count(reading.max)}
        </Text>
      </Group>
    </Tooltip>
  );
}

interface WarningProps {
  reading: Reading;
  session: Session | undefined;
  serverId: string;
}

/** What would be left out or refused, before it is sent, and what can be done about it. */
export function ContextWarning({ reading, session, serverId }: WarningProps) {
  if (reading.warning === null) return null;
  const choose = (session: Session, context_policy: ContextPolicy): void => {
    client()
      .update_session({ session_id: session.session_id, config: { ...session.config, context_policy } })
      .catch(report);
  };
  return (
    <Group gap={6} className="gauge-warning" role="status">
      <Text size="sm">{reading.warning}</Text>
      {session !== undefined &&
        reading.helps.map((way) => (
          <Button key={way} size="compact-xs" variant="default" onClick={() => choose(session, way)}>
            {WAY_WORDS[way]}
          </Button>
        ))}
      <Button size="compact-xs" variant="default" onClick={() => openLargerContext(serverId).catch(report)}>
        Larger context
      </Button>
      <Button size="compact-xs" variant="default" onClick={() => go("chat")}>
        New chat
      </Button>
    </Group>
  );
}
