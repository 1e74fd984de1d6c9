import { type ContextPolicy, type Remedy, remediesIn } from "@llama-sidecar/client";
import { Button } from "@mantine/core";
import { client } from "../../link/link";
import { focusMessage } from "../../parts/focus";
import { report } from "../../parts/problems";
import { RemedyButtons } from "../../parts/remedy_buttons";
import { dismiss, useChat } from "../../state/chat";
import { useWorld } from "../../state/feed";
import { keepDraft, usePrefs } from "../../state/prefs";
import type { Turn } from "../../state/turn";
import { serverFor } from "../../state/world";
import { openLargerContext } from "../servers/form";
import { keepPictures, picturesOf } from "./pictures";
import { regenerate, send } from "./sending";

export const WAY_WORDS: Record<ContextPolicy, string> = {
  error: "Refuse it",
  drop_oldest: "Leave out the oldest",
  keep_ends: "Keep both ends",
};

/** The buttons that do what an error's remedies name. */
export function Remedies({ turn }: { turn: Turn }) {
  const remedies = remediesIn(turn.error?.data ?? {});
  const again = useAgain(turn);
  if (remedies.some(isContextPolicy)) return <TooLong turn={turn} again={again} />;
  return (
    <>
      {again !== null && (
        <Button size="xs" onClick={again}>
          {turn.said === null ? "Try again" : "Send again"}
        </Button>
      )}
      {turn.said !== null && <Rewrite turn={turn} said={turn.said} />}
      <RemedyButtons remedies={remedies} />
    </>
  );
}

const isContextPolicy = ({ action, params: { names } }: Remedy): boolean =>
  action === "change_params" && Array.isArray(names) && names.includes("context_policy");

function TooLong({ turn, again }: { turn: Turn; again: (() => void) | null }) {
  const session = useWorld(({ sessions }) => sessions[turn.sessionId]);
  const server = useWorld((world) => serverFor(world, session?.server_id));
  const dropping = (context_policy: ContextPolicy): void => {
    client()
      .update_session({ session_id: turn.sessionId, config: { ...session?.config, context_policy } })
      .then(again, report);
  };
  // What did not help just now is not offered again.
  const ways = (["drop_oldest", "keep_ends"] as const).filter((way) => way !== session?.config.context_policy);
  return (
    <>
      {again !== null &&
        ways.map((way) => (
          <Button key={way} size="xs" variant="default" onClick={() => dropping(way)}>
            {WAY_WORDS[way]}
          </Button>
        ))}
      {server !== null && (
        <Button size="xs" variant="default" onClick={() => openLargerContext(server.server_id).catch(report)}>
          Larger context
        </Button>
      )}
      {turn.said !== null && <Rewrite turn={turn} said={turn.said} />}
    </>
  );
}

/** Puts what was said back to where it was written, before what has been written there since. */
function Rewrite({ turn: { sessionId: id, images }, said }: { turn: Turn; said: string }) {
  const rewrite = (): void => {
    const draft = usePrefs.getState().drafts[id];
    keepDraft(id, draft === undefined ? said : `${said}\n\n${draft}`);
    keepPictures(id, [...images, ...picturesOf(id)]);
    dismiss(id);
    focusMessage();
  };
  return (
    <Button size="xs" variant="default" onClick={rewrite}>
      Change the message
    </Button>
  );
}

/** The same once more: what was not kept is sent again, what was kept is answered again. */
function useAgain(turn: Turn): (() => void) | null {
  const id = turn.sessionId;
  const last = useChat(({ conversations }) => conversations[id]?.messages.at(-1));
  const { said } = turn;
  if (said !== null) {
    return () => {
      dismiss(id);
      send(id, said, [...turn.images]).catch(report);
    };
  }
  if (last === undefined) return null;
  return () => {
    dismiss(id);
    regenerate(id, last).catch(report);
  };
}
