/** Servers being started from this page: how far each is, and how to stop it. What a server is otherwise: world.ts. */

import {
  ConnectionClosedError,
  type ServerInfo,
  type StartEvent,
  type StartLlamaServerParams,
} from "@llama-sidecar/client";
import { create } from "zustand";
import { client } from "../link/link";
import { useWorld } from "./feed";
import { wasCancelled } from "./problem";

export interface Start {
  serverId: string;
  stage: "queued" | "planning" | "starting" | "loading" | "warming";
  /** 0 to 1; null where the engine does not report it. */
  progress: number | null;
  etaMs: number | null;
  failed: unknown;
  cancel: () => void;
  /** The same start once more. */
  again: () => void;
}

export const useStarts = create<{ starts: Readonly<Record<string, Start>> }>(() => ({ starts: {} }));

/** The stages in their order, and what each is called. */
export const STAGES: readonly [Start["stage"], string][] = [
  ["queued", "Waiting"],
  ["planning", "Checking engine and model"],
  ["starting", "Starting the engine"],
  ["loading", "Loading the model"],
  ["warming", "Warming up"],
];

export function applyStart(start: Start, event: StartEvent): Start {
  switch (event.status) {
    case "queued":
    case "planning":
    case "starting":
    case "warming":
      return { ...start, stage: event.status, progress: null, etaMs: null };
    case "loading":
      return { ...start, stage: "loading", progress: event.progress, etaMs: event.eta_ms ?? null };
    default:
      return start;
  }
}

type Ask = (options: { signal: AbortSignal; onEvent: (event: StartEvent) => void }) => Promise<ServerInfo>;

async function begin(serverId: string, ask: Ask): Promise<ServerInfo | null> {
  const leave = new AbortController();
  const first: Start = {
    serverId,
    stage: "queued",
    progress: null,
    etaMs: null,
    failed: null,
    cancel: () => leave.abort(),
    again: () => void begin(serverId, ask),
  };
  put(serverId, first);
  const onEvent = (event: StartEvent): void =>
    useStarts.setState(({ starts }) => {
      const now = starts[serverId];
      return now === undefined ? {} : { starts: { ...starts, [serverId]: applyStart(now, event) } };
    });
  try {
    const info = await ask({ signal: leave.signal, onEvent });
    put(serverId, null);
    return info;
  } catch (error) {
    // Without the connection the start continues, and the server's own events report it.
    const failed = !wasCancelled(error) && !(error instanceof ConnectionClosedError);
    put(serverId, failed ? { ...first, failed: error } : null);
    return null;
  }
}

function put(serverId: string, start: Start | null): void {
  useStarts.setState(({ starts }) => {
    const { [serverId]: _old, ...others } = starts;
    return { starts: start === null ? others : { ...others, [serverId]: start } };
  });
}

export const startServer = (settings: StartLlamaServerParams): Promise<ServerInfo | null> =>
  begin(settings.server_id || "default", (options) => client().start_llama_server(settings, options));

/** Start beside what runs: under the usual name, or the next one that is free. */
export function startAnother(settings: StartLlamaServerParams): Promise<ServerInfo | null> {
  const running = Object.values(useWorld.getState().servers).filter(
    ({ state }) => state !== "failed" && state !== "stopped",
  );
  return startServer({ server_id: freeId(running.map(({ server_id }) => server_id)), ...settings });
}

export function freeId(taken: readonly string[]): string {
  if (!taken.includes("default")) return "default";
  for (let number = 2; ; number++) if (!taken.includes(`server-${number}`)) return `server-${number}`;
}

/** Restart an existing one with other settings. */
export const changeServer = (server_id: string, settings: StartLlamaServerParams): Promise<ServerInfo | null> =>
  begin(server_id, async (options) => {
    await client().stop_llama_server({ server_id });
    return client().start_llama_server({ ...settings, server_id }, options);
  });

export const restartServer = (server_id: string): Promise<ServerInfo | null> =>
  begin(server_id, (options) => client().restart_server({ server_id }, options));

export const switchModel = (server_id: string, model: string): Promise<ServerInfo | null> =>
  begin(server_id, (options) => client().switch_model({ server_id, model }, options));

export const dismissStart = (serverId: string): void => put(serverId, null);
