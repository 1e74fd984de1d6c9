/** Compiles where Tauri's own module is what the transport takes. In the browser's check, since it needs the DOM. */

import type * as core from "@tauri-apps/api/core";

import type { TauriCore } from "../src/transports/tauri.js";

export const takes = (module: typeof core): TauriCore => module;
