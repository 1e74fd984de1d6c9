/** The form of a start while it is open over the page: for another server, or for one that is to be restarted. */

import { create } from "zustand";
import { go } from "../../frame/route";
import { client } from "../../link/link";
import { useWorld } from "../../state/feed";

export type Settings = Record<string, unknown>;

export interface Form {
  /** Which server is restarted with these; null: another one. */
  changes: string | null;
  settings: Settings;
}

export const useForm = create<{ form: Form | null }>(() => ({ form: null }));

export const closeForm = (): void => useForm.setState({ form: null });

export const openForm = (settings: Settings): void => useForm.setState({ form: { changes: null, settings } });

/** Show what a server was started with, some of it changed, to be reviewed and restarted. */
export async function openChange(server_id: string, change: (settings: Settings) => Settings = (same) => same) {
  const { settings } = await client().get_llama_config({ server_id });
  useForm.setState({ form: { changes: server_id, settings: { ...change(byName(server_id, settings)), server_id } } });
  go("servers");
}

/** The model by its name, where it is in the library: so it is chosen in the form. */
function byName(server_id: string, settings: Settings): Settings {
  const { servers, models } = useWorld.getState();
  const name = servers[server_id]?.model;
  if (!name || models[name]?.path !== settings["model_path"]) return settings;
  const { model_path: _path, ...others } = settings;
  return { ...others, model: name };
}

/** Twice the context: what does not fit now does then, and the plan says whether the memory does. */
export const openLargerContext = (server_id: string): Promise<void> =>
  openChange(server_id, (settings) => ({ ...settings, ctx_size: 2 * Number(settings["ctx_size"] ?? 0) || undefined }));
