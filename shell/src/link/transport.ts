/** Chooses what carries the lines: the desktop window's own commands, or a WebSocket in a browser. */

import type { Transport } from "@llama-sidecar/client";
import { addressFor, openWebSocket, pageKeys } from "@llama-sidecar/client/websocket";
import { fetchParts } from "./parts";

export interface Carrier {
  /** Opens a connection, one after the other. */
  connect: () => Transport;
  /** Starts a sidecar again that was given up, where the app owns it. */
  wake: () => Promise<void>;
  /** Called on each connection, when the sidecar has proved itself. */
  onReady: () => void;
}

export async function chooseTransport(): Promise<Carrier> {
  if (!("__TAURI_INTERNALS__" in window)) {
    const keys = pageKeys(); // now, before the page reads its address
    return {
      connect: () => openWebSocket({ url: addressFor(location), keys }),
      wake: () => Promise.resolve(),
      onReady: fetchParts,
    };
  }
  const [core, { tauriTransport }] = await Promise.all([
    import("@tauri-apps/api/core"),
    import("@llama-sidecar/client/tauri"),
  ]);
  return {
    connect: () => tauriTransport(core),
    wake: () => core.invoke("start_sidecar_again"),
    onReady: () => undefined, // the app has all parts
  };
}
