/** Compiles only if the transport accepts Tauri's own module. Part of the browser check, since it needs the DOM. */

import type * as core from "@tauri-apps/api/core";

import type { TauriCore } from "../src/transports/tauri.js";

export const takes = (module: typeof core): TauriCore => module;
