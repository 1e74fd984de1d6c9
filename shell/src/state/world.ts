/** What the sidecar has: servers, models, downloads and sessions, as its events say. Pure; who listens is in feed.ts. */

import {
  type Download,
  type ModelInfo,
  type ServerInfo,
  type Session,
  TOPICS,
  type TopicEvent,
  type TopicRow,
} from "@llama-sidecar/client";

export interface World {
  servers: Readonly<Record<string, ServerInfo>>;
  models: Readonly<Record<string, ModelInfo>>;
  downloads: Readonly<Record<string, Download>>;
  sessions: Readonly<Record<string, Session>>;
  /** Whether sessions, and whether models were listed at all: before that, nothing is not "none". */
  sessionsKnown: boolean;
  modelsKnown: boolean;
}

export const EMPTY_WORLD: World = {
  servers: {},
  models: {},
  downloads: {},
  sessions: {},
  sessionsKnown: false,
  modelsKnown: false,
};

/** The topics that are kept here, each under its name. What their events show is the contract's table. */
export const KEPT = ["servers", "downloads", "sessions", "models"] as const;

type Shown = TopicRow["events"][string] & { topic: (typeof KEPT)[number] };

const shownBy = (topic: Shown["topic"]): [string, Shown][] => {
  const { events }: TopicRow = TOPICS[topic];
  return Object.entries(events).map(([status, row]) => [status, { ...row, topic }]);
};

const SHOWN = new Map(KEPT.flatMap(shownBy));

export function applyTopic(world: World, event: TopicEvent): World {
  const shown = SHOWN.get(event.status);
  if (shown === undefined) return world;
  const { topic, subject, key, removes } = shown;
  const members = event as unknown as Readonly<Record<string, unknown>>;
  const id = String(key.reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], members));
  const known: Readonly<Record<string, unknown>> = world[topic];
  const changed = removes ? without(known, id) : { ...known, [id]: members[subject] };
  return { ...world, [topic]: changed, ...(topic === "models" && { modelsKnown: true }) };
}

/** After a new connection the sidecar lists what there is; what it does not name any more is gone. */
export function forgetLive(world: World): World {
  return { ...world, servers: {}, downloads: {}, models: {}, modelsKnown: false };
}

/** Of the sessions that were known before, only those listed by now are left. */
export function withoutDeleted(world: World, before: readonly string[], listed: ReadonlySet<string>): World {
  const gone = new Set(before.filter((id) => !listed.has(id)));
  return { ...world, sessions: Object.fromEntries(Object.entries(world.sessions).filter(([id]) => !gone.has(id))) };
}

export function withModels(world: World, models: readonly ModelInfo[]): World {
  const added = Object.fromEntries(models.map((model) => [model.name, model]));
  return { ...world, models: { ...world.models, ...added }, modelsKnown: true };
}

export function withSessions(world: World, sessions: readonly Session[]): World {
  const added = Object.fromEntries(sessions.map((session) => [session.session_id, session]));
  return { ...world, sessions: { ...world.sessions, ...added }, sessionsKnown: true };
}

function without<T>(all: Readonly<Record<string, T>>, key: string): Record<string, T> {
  const { [key]: _gone, ...rest } = all;
  return rest;
}

/** Whether a finished download's model is still there. */
export const isHere = ({ models }: Pick<World, "models">, { model_path }: Download): boolean =>
  model_path !== null &&
  Object.values(models).some(({ path, other_paths }) => path === model_path || other_paths?.includes(model_path));

/** The server that a message goes to: the one asked for, else the one that the sidecar names; else one to show. */
export function serverFor(world: World, serverId: string | null | undefined): ServerInfo | null {
  const all = Object.values(world.servers);
  return (
    (serverId ? world.servers[serverId] : undefined) ??
    all.find((server) => server.default) ??
    all.find(isStarting) ??
    all[0] ??
    null
  );
}

export const takesMessages = ({ state }: ServerInfo): boolean => state === "ready" || state === "sleeping";

export const isStarting = ({ state }: ServerInfo): boolean =>
  state === "queued" || state === "planning" || state === "starting" || state === "loading" || state === "warming";
