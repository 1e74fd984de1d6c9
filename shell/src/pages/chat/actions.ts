import type { Message } from "@llama-sidecar/client";
import { createContext, useContext } from "react";

/** What can be done with a message. */
export interface Actions {
  regenerate: (message: Message) => void;
  edit: (message: Message, text: string) => void;
  busy: boolean;
  sessionId: string;
}

export const ChatActions = createContext<Actions>({
  regenerate: () => undefined,
  edit: () => undefined,
  busy: false,
  sessionId: "",
});

export const useActions = (): Actions => useContext(ChatActions);
