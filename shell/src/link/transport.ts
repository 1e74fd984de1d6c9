/** Chooses what carries the lines: the desktop window's own commands, or a WebSocket in a browser. */

import type { InitializeResult, Transport } from "@llama-sidecar/client";
import { addressFor, openWebSocket } from "@llama-sidecar/client/websocket";

export interface Carrier {
  /** Opens one connection after the other. */
  connect: () => Transport;
  /** Has a sidecar started that was given up. A browser has no such means. */
  revive?: () => Promise<void>;
}

/** `onReplaced` is called where the sidecar is another one without the connection having been lost. */
export async function chooseCarrier(onReplaced: (sidecar: InitializeResult) => void): Promise<Carrier> {
  if (!("__TAURI_INTERNALS__" in window)) return { connect: () => openWebSocket({ url: addressFor(location) }) };
  const [core, tauri] = await Promise.all([import("@tauri-apps/api/core"), import("@llama-sidecar/client/tauri")]);
  return tauriCarrier(core, tauri, onReplaced);
}

type Core = Parameters<typeof import("@llama-sidecar/client/tauri").tauriTransport>[0];
type Tauri = Pick<
  typeof import("@llama-sidecar/client/tauri"),
  "startSidecarAgain" | "tauriTransport" | "watchSidecar"
>;

/** The window's own commands. Each connection watches the sidecar until it is gone. */
export function tauriCarrier(core: Core, tauri: Tauri, onReplaced: (sidecar: InitializeResult) => void): Carrier {
  let leave = (): void => undefined;
  return {
    connect: () => {
      leave();
      return tauri.tauriTransport(core, {
        onGone: (onGone) => {
          leave = tauri.watchSidecar(core, { onReplaced, onGone });
        },
      });
    },
    revive: () => tauri.startSidecarAgain(core),
  };
}
