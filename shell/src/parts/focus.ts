/** Where the keyboard is after what it was in has gone. */

import { useEffect, useState } from "react";

/** Longer than a menu takes to give the focus back to its button. */
const AFTER_MENU_MS = 30;

/** For what a menu's item opens: it takes the focus after the menu has released it. */
export const afterMenu =
  (act: () => void): (() => void) =>
  () =>
    void setTimeout(act, AFTER_MENU_MS);

/** Focus what `find` finds, once the change that is being made is on the screen. Else the page. */
export function focusSoon(find: () => HTMLElement | null | undefined): void {
  setTimeout(() => (find() ?? document.getElementById("main"))?.focus());
}

/** The place to write; a name of its own, since what replaces it for a while searches for it. */
export const MESSAGE_INPUT = "message-input";

export const focusMessage = (): void => focusSoon(() => document.getElementById(MESSAGE_INPUT));

/** For a dialog that is there only while it is open: the focus goes back to where it was before. */
export function useFocusBack(): void {
  const [before] = useState(() => document.activeElement);
  useEffect(
    () => () =>
      focusSoon(() =>
        before instanceof HTMLElement && before !== document.body && before.isConnected ? before : null,
      ),
    [before],
  );
}
