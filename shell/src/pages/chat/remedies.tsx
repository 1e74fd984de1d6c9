import type { ContextPolicy } from "@llama-sidecar/client";
import { Button } from "@mantine/core";
import { go } from "../../frame/route";
import { client } from "../../link/link";
import { report } from "../../parts/problems";
import { dismiss } from "../../state/chat";
import { useWorld } from "../../state/feed";
import type { Turn } from "../../state/turn";
import { send } from "./sending";

/** The buttons that do what an error's hint says. */
export function Remedies({ turn }: { turn: Turn }) {
  const name = turn.error?.data["name"];
  const config = useWorld(({ sessions }) => sessions[turn.sessionId]?.config);
  const again = (): void => {
    dismiss(turn.sessionId);
    if (turn.said !== null) send(turn.sessionId, turn.said, [...turn.images]).catch(report);
  };
  const dropping = (context_policy: ContextPolicy): void => {
    client()
      .update_session({ session_id: turn.sessionId, config: { ...config, context_policy } })
      .then(again, report);
  };
  if (name === "CONTEXT_TOO_LONG") {
    return (
      <>
        <Button size="xs" onClick={() => dropping("drop_oldest")}>
          Leave out the oldest
        </Button>
        <Button size="xs" variant="default" onClick={() => dropping("keep_ends")}>
          Keep both ends
        </Button>
        <Button size="xs" variant="default" onClick={() => go("servers")}>
          Larger context
        </Button>
      </>
    );
  }
  if (name === "SERVER_NOT_RUNNING" || name === "ENGINE_CRASHED") {
    return (
      <Button size="xs" onClick={() => go("servers")}>
        To the servers
      </Button>
    );
  }
  return turn.said === null ? null : (
    <Button size="xs" onClick={again}>
      Send again
    </Button>
  );
}
