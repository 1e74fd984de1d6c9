/** What the sidecar has: servers, models, downloads and sessions, as its events tell. Pure; who listens is in feed.ts. */

import type { Download, ModelInfo, ServerInfo, Session, TopicEvent } from "@llama-sidecar/client";

export interface World {
  servers: Readonly<Record<string, ServerInfo>>;
  models: Readonly<Record<string, ModelInfo>>;
  downloads: Readonly<Record<string, Download>>;
  sessions: Readonly<Record<string, Session>>;
  /** Whether sessions, and whether models have been heard of at all: before that, nothing is not "none". */
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

export function applyTopic(world: World, event: TopicEvent): World {
  switch (event.status) {
    case "server":
      return { ...world, servers: { ...world.servers, [event.server.server_id]: event.server } };
    case "server_removed":
      return { ...world, servers: without(world.servers, event.server_id) };
    case "model":
      return { ...world, models: { ...world.models, [event.model.name]: event.model }, modelsKnown: true };
    case "model_removed":
      return { ...world, models: without(world.models, event.name) };
    case "download":
      return { ...world, downloads: { ...world.downloads, [event.download.download_id]: event.download } };
    case "session":
      return { ...world, sessions: { ...world.sessions, [event.session.session_id]: event.session } };
    case "session_deleted":
      return { ...world, sessions: without(world.sessions, event.session_id) };
    default:
      return world;
  }
}

/** After a new connection the sidecar tells what there is; what it does not name any more is gone. */
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

/** The server that a message would go to: the one asked for, else "default", else the only one that is ready. */
export function serverFor(world: World, serverId: string | null | undefined): ServerInfo | null {
  const all = Object.values(world.servers);
  const usable = all.filter(takesMessages);
  return (
    (serverId ? world.servers[serverId] : undefined) ??
    usable.find(({ server_id }) => server_id === "default") ??
    usable[0] ??
    all.find(isStarting) ??
    all[0] ??
    null
  );
}

export const takesMessages = ({ state }: ServerInfo): boolean => state === "ready" || state === "sleeping";

export const isStarting = ({ state }: ServerInfo): boolean =>
  state === "queued" || state === "planning" || state === "starting" || state === "loading" || state === "warming";
