/** Which page of ours has what an error's remedies name. Pure; the buttons are in remedy_buttons. */

import type { MethodName, Remedy, RemedyWord } from "@llama-sidecar/client";
import type { PageName } from "../frame/route";

const PLACES: Partial<Record<MethodName | RemedyWord, PageName>> = {
  start_llama_server: "servers",
  stop_llama_server: "servers",
  restart_server: "servers",
  switch_model: "servers",
  list_servers: "servers",
  estimate_memory: "servers",
  list_models: "models",
  search_hub: "models",
  list_hub_files: "models",
  download_model: "models",
  list_downloads: "models",
  resume_download: "models",
  list_sessions: "chat",
  open_settings: "settings",
};

/** The pages to go to, each once, without the one that is shown. What no page has is left to the hint. */
export function placesOf(remedies: readonly Remedy[], shown: PageName): PageName[] {
  const places: Readonly<Record<string, PageName>> = PLACES;
  const found = remedies.map(({ action }) => places[action]).filter((place) => place !== undefined);
  return [...new Set(found)].filter((place) => place !== shown);
}
