/** Keeps the world up to date from the sidecar's topics. Owns the store of it; what events mean is in world.ts. */

import type { Client, TopicEvent } from "@llama-sidecar/client";
import { create } from "zustand";
import { reportUnlessGone } from "../parts/problems";
import {
  applyTopic,
  EMPTY_WORLD,
  forgetLive,
  KEPT,
  type World,
  withModels,
  withoutDeleted,
  withSessions,
} from "./world";

export const useWorld = create<World>(() => EMPTY_WORLD);

/** How many sessions are fetched in one request; the next ones follow without being asked for. */
const SESSIONS_A_PAGE = 200;

let waiting: TopicEvent[] = [];
let leave = new AbortController();

/** Follow a new connection, or another sidecar over the same one. */
export function feedFrom(client: Client): void {
  leave.abort();
  leave = new AbortController();
  useWorld.setState(forgetLive);
  client.subscribe({ topics: [...KEPT] }, { onEvent: take, signal: leave.signal }).catch(reportUnlessGone);
  client.list_models().then(
    // Not only that they are known: their events may still wait for their frame.
    (models) => useWorld.setState((world) => withModels(world, models)),
    () => useWorld.setState({ modelsKnown: true }),
  );
  fetchSessions(client).catch(reportUnlessGone);
}

/** Events of one frame become one change: a library of a thousand models arrives as a thousand events. */
function take(event: TopicEvent): void {
  waiting.push(event);
  if (waiting.length > 1) return;
  setTimeout(() => {
    const events = waiting;
    waiting = [];
    useWorld.setState((world) => events.reduce(applyTopic, world));
  }, 16);
}

/** All sessions; those that were deleted while there was no connection go. */
async function fetchSessions(client: Client): Promise<void> {
  const before = Object.keys(useWorld.getState().sessions);
  const listed = await Promise.all([false, true].map((archived) => fetchSome(client, archived)));
  useWorld.setState((world) => withoutDeleted(world, before, new Set(listed.flat())));
}

async function fetchSome(client: Client, archived: boolean): Promise<string[]> {
  const listed: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await client.list_sessions({ archived, limit: SESSIONS_A_PAGE, cursor });
    useWorld.setState((world) => withSessions(world, page.sessions));
    listed.push(...page.sessions.map(({ session_id }) => session_id));
    cursor = page.next_cursor;
  } while (cursor !== null);
  return listed;
}
