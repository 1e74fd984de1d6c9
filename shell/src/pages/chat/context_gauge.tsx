import type { ContextPolicy, ServerInfo, Session } from "@llama-sidecar/client";
import { Button, Group, Progress, Text, Tooltip } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { go } from "../../frame/route";
import { client } from "../../link/link";
import { useAnswer } from "../../link/use_answer";
import { count } from "../../parts/format";
import { report } from "../../parts/problems";
import { gaugeOf } from "../../state/gauge";

interface Props {
  session: Session | undefined;
  draft: string;
  server: ServerInfo;
}

/** Used and largest context, the draft counted; what would be left out is said before it is sent. */
export function ContextGauge({ session, draft, server }: Props) {
  const [text] = useDebouncedValue(draft, 350);
  const key = JSON.stringify([
    session?.session_id,
    session?.head,
    session?.config.context_policy,
    server.server_id,
    text,
  ]);
  const { value } = useAnswer(key, async (client, signal) => {
    const server_id = server.server_id;
    if (session !== undefined && text.trim() !== "") {
      return gaugeOf(await client.preview_context({ session_id: session.session_id, message: text }, { signal }));
    }
    // An empty message can not be previewed: what is there already is counted alone.
    const what = session === undefined ? { text: text || " " } : { session_id: session.session_id };
    const { tokens, max_context } = await client.count_tokens({ ...what, server_id }, { signal });
    return gaugeOf({ fits: tokens < max_context, max_context, input_length: tokens, dropped: [] });
  });
  if (value === undefined) return null;
  const policy = (context_policy: ContextPolicy): void => {
    if (session === undefined) return;
    client()
      .update_session({ session_id: session.session_id, config: { ...session.config, context_policy } })
      .catch(report);
  };
  const words = `${count(value.used)} of ${count(value.max)} tokens of the context, this message included`;
  return (
    <>
      <Tooltip label={words}>
        <Group gap={6} wrap="nowrap">
          <Progress
            w={64}
            value={value.percent}
            color={value.level === "good" ? "blue" : value.level === "near" ? "yellow.8" : "red"}
            aria-label={words}
          />
          <Text size="xs" c="dimmed" style={{ whiteSpace: "nowrap" }}>
            {count(value.used)} / {count(value.max)}
          </Text>
        </Group>
      </Tooltip>
      {value.warning !== null && (
        <Group gap={6} className="gauge-warning" role="status">
          <Text size="sm">{value.warning}</Text>
          {value.level === "over" && session !== undefined && (
            <>
              <Button size="compact-xs" variant="default" onClick={() => policy("drop_oldest")}>
                Leave out the oldest
              </Button>
              <Button size="compact-xs" variant="default" onClick={() => policy("keep_ends")}>
                Keep both ends
              </Button>
            </>
          )}
          <Button size="compact-xs" variant="default" onClick={() => go("servers", server.server_id)}>
            Larger context
          </Button>
          <Button size="compact-xs" variant="default" onClick={() => go("chat")}>
            New chat
          </Button>
        </Group>
      )}
    </>
  );
}
