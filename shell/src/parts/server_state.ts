import type { ServerInfo, ServerState } from "@llama-sidecar/client";

/** The word and the colour for a server's state; the word says it all, the colour only helps. */
export const STATE_WORDS: Record<ServerState, { word: string; dot: "good" | "busy" | "bad" | "idle" }> = {
  queued: { word: "waiting", dot: "busy" },
  planning: { word: "checking", dot: "busy" },
  starting: { word: "starting", dot: "busy" },
  loading: { word: "loading", dot: "busy" },
  warming: { word: "warming up", dot: "busy" },
  ready: { word: "ready", dot: "good" },
  sleeping: { word: "asleep, wakes by itself", dot: "idle" },
  stopping: { word: "stopping", dot: "busy" },
  stopped: { word: "stopped", dot: "idle" },
  failed: { word: "failed", dot: "bad" },
};

export function gpuWords({ actual, n_gpu_layers }: ServerInfo): string | null {
  if (actual?.gpu_layers === 0) return "CPU only";
  if (actual === null || actual.gpu_layers === null) return n_gpu_layers === 0 ? "CPU only" : null;
  return `${actual.gpu_layers} of ${actual.total_layers ?? "?"} layers on the GPU`;
}
