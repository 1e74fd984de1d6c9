/** What this browser remembers for itself: pinned chats, drafts, presets in use. The page works without it. */

import { create } from "zustand";
import { persist } from "zustand/middleware";

export interface Prefs {
  pinned: readonly string[];
  /** Texts not sent yet, by session; "" is the next new chat. */
  drafts: Readonly<Record<string, string>>;
  /** Names of the config's `chat_presets`, by session. */
  presets: Readonly<Record<string, string>>;
  wrapCode: boolean;
}

const NAME = "llama-sidecar";

export const usePrefs = create<Prefs>()(
  persist((): Prefs => ({ pinned: [], drafts: {}, presets: {}, wrapCode: false }), { name: NAME }),
);

// Other pages of this browser change it, too.
window.addEventListener("storage", ({ key }) => {
  if (key === NAME) void usePrefs.persist.rehydrate();
});

export function togglePinned(id: string): void {
  usePrefs.setState(({ pinned }) => ({
    pinned: pinned.includes(id) ? pinned.filter((other) => other !== id) : [...pinned, id],
  }));
}

export function keepDraft(id: string, text: string): void {
  usePrefs.setState(({ drafts }) => {
    const { [id]: _old, ...others } = drafts;
    return { drafts: text === "" ? others : { ...others, [id]: text } };
  });
}

export function choosePreset(id: string, name: string | null): void {
  usePrefs.setState(({ presets }) => {
    const { [id]: _old, ...others } = presets;
    return { presets: name === null ? others : { ...others, [id]: name } };
  });
}

/** A chat that begins has the preset that was chosen for the next new one. */
export const takePreset = (id: string): void => choosePreset(id, usePrefs.getState().presets[""] ?? null);

/** No chat uses a preset of this name any more. */
export function leavePreset(name: string): void {
  usePrefs.setState(({ presets }) => ({
    presets: Object.fromEntries(Object.entries(presets).filter(([, used]) => used !== name)),
  }));
}
