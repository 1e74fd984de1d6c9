/** Chooses what carries the lines: the desktop window's own commands, or a WebSocket in a browser. */

import type { Transport } from "@llama-sidecar/client";
import { addressFor, openWebSocket } from "@llama-sidecar/client/websocket";

/** Resolves with what opens one connection after the other. */
export async function chooseTransport(): Promise<() => Transport> {
  if (!("__TAURI_INTERNALS__" in window)) return () => openWebSocket({ url: addressFor(location) });
  const [core, { tauriTransport }] = await Promise.all([
    import("@tauri-apps/api/core"),
    import("@llama-sidecar/client/tauri"),
  ]);
  return () => tauriTransport(core);
}
