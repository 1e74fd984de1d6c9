/**
 * What to do next, in the page's words: the sidecar's hints speak to programs, of methods and parameters. Owns what the
 * page calls a method; what it calls a setting is of `format`.
 */

import type { MethodName } from "@llama-sidecar/client";
import { spoken } from "./format";

const PLACES = {
  list_servers: "the page Servers",
  list_models: "the page Models",
  search_hub: "the search in Models",
  list_hub_files: "the files in Models",
  list_downloads: "the downloads",
  list_sessions: "the list of chats",
  get_logs: "the page Logs",
  list_log_sources: "the page Logs",
  get_config: "the page Settings",
  set_config: "the page Settings",
} as const satisfies Partial<Record<MethodName, string>>;

const BUTTONS = {
  start_llama_server: "“Start a server”",
  stop_llama_server: "“Stop”",
  restart_server: "“Restart”",
  switch_model: "“Switch”",
  download_model: "“Download”",
  export_session: "“Export”",
  regenerate_message: "“Answer again”",
  resume_download: "“Go on”",
} as const satisfies Partial<Record<MethodName, string>>;

/** `Call list_models, or set downloads.connections.` -> `Look at the page Models, or set “Connections” in Settings.` */
export const onThePage = (hint: string): string =>
  hint
    .replace(/\b(Call|Ask|call|ask) ([a-z_]+)/g, (whole, verb: string, name: string) => {
      const capital = verb.charAt(0) === "C" || verb.charAt(0) === "A";
      if (name in PLACES) return `${capital ? "Look at" : "look at"} ${name}`;
      return name in BUTTONS ? `${capital ? "Use" : "use"} ${name}` : whole;
    })
    .replace(
      /\b(chat|downloads|engines|logs|models|storage)\.([a-z_]+)\b/g,
      (_whole, _section, name: string) => `“${spoken(name)}” in Settings`,
    )
    .replace(/\b[a-z]+(?:_[a-z]+)+\b/g, (name) => named(name));

function named(name: string): string {
  const known: Record<string, string> = { ...PLACES, ...BUTTONS };
  return known[name] ?? (ASKED.has(name) ? `“${spoken(name)}”` : name);
}

/** Parameters and settings that hints speak of; what else has this form may be a file's name, and stays. */
const ASKED = new Set([
  "server_id",
  "ctx_size",
  "context_policy",
  "model_path",
  "mmproj_path",
  "llama_cpp_path",
  "extra_args",
]);
