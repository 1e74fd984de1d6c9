import type { Client, ContextPolicy, ServerInfo, Session } from "@llama-sidecar/client";
import { useDebouncedValue } from "@mantine/hooks";
import { useAnswer } from "../../link/use_answer";
import { type Gauge, gaugeOf } from "../../state/gauge";

export interface Reading extends Gauge {
  /** Where it does not fit: ways of leaving something out with which it would. */
  helps: ContextPolicy[];
}

/** How long after the last key it is counted again. */
const COUNT_AFTER_MS = 350;

const WAYS: ContextPolicy[] = ["drop_oldest", "keep_ends"];

/** Used and largest context, with the message that is being written; counted again when an answer ends (`busy`). */
export function useGauge(
  session: Session | undefined,
  draft: string,
  server: ServerInfo | null,
  busy: boolean,
): Reading | undefined {
  const [text] = useDebouncedValue(draft, COUNT_AFTER_MS);
  const key = JSON.stringify([
    session?.session_id,
    session?.head,
    session?.config.context_policy,
    server?.server_id,
    server?.started_at,
    busy,
    text,
  ]);
  const { value } = useAnswer(key, async (client, signal) =>
    server === null ? undefined : read(client, session, text, server.server_id, signal),
  );
  return value;
}

async function read(
  client: Client,
  session: Session | undefined,
  text: string,
  server_id: string,
  signal: AbortSignal,
): Promise<Reading> {
  if (session === undefined || text.trim() === "") {
    // An empty message cannot be previewed: only the existing conversation is counted.
    const what = session === undefined ? { text: text || " " } : { session_id: session.session_id };
    const { tokens, max_context } = await client.count_tokens({ ...what, server_id }, { signal });
    return { ...gaugeOf({ fits: tokens < max_context, max_context, input_length: tokens, dropped: [] }), helps: [] };
  }
  const asked = { session_id: session.session_id, message: text };
  const preview = await client.preview_context(asked, { signal });
  if (preview.fits) return { ...gaugeOf(preview), helps: [] };
  const tried = await Promise.all(
    WAYS.map((context_policy) => client.preview_context({ ...asked, context_policy }, { signal })),
  );
  return { ...gaugeOf(preview), helps: WAYS.filter((_way, index) => tried[index]?.fits === true) };
}
