/** A message that a search has found, until it has been shown. */

import { create } from "zustand";
import { toast } from "../../parts/problems";
import { loadOlder, open, useChat } from "../../state/chat";

interface Sought {
  session: string;
  message: string;
}

export const useSought = create<{ sought: Sought | null }>(() => ({ sought: null }));

export const markShown = (): void => useSought.setState({ sought: null });

/** Has the history of a chat read up to a message, which is then scrolled to. */
export async function seek(session: string, message: string): Promise<void> {
  const sought = { session, message };
  useSought.setState({ sought });
  if (useChat.getState().conversations[session] === undefined) await open(session);
  for (;;) {
    const known = useChat.getState().conversations[session];
    if (known === undefined || useSought.getState().sought !== sought) return;
    if (known.messages.some(({ message_id }) => message_id === message)) return;
    if (!known.hasMore) break;
    await loadOlder(session);
  }
  markShown();
  toast("This message stands in another branch of the chat.");
}
