/** The connection to the sidecar as the page sees it: whether there is one, and the client. How it is kept is the client's. */

import {
  type Client,
  type Link as ClientLink,
  ConnectionClosedError,
  type InitializeResult,
  keepConnected,
  type LinkState,
} from "@llama-sidecar/client";
import { create } from "zustand";
import { chooseCarrier } from "./transport";

export interface Link {
  /** `refused` is for good: trying again would not change it. */
  state: "connecting" | "online" | "offline" | "refused";
  /** Null while there is no connection. */
  client: Client | null;
  hello: InitializeResult | null;
  /** Why it is not online. */
  reason: Error | null;
}

export const useLink = create<Link>(() => ({ state: "connecting", client: null, hello: null, reason: null }));

let link: ClientLink | undefined;

/** Tries now, where the next try is waited for; a desktop app starts its sidecar again where it had given it up. */
export function retryNow(): void {
  link?.retry();
}

/** The client. Throws where the page has not been connected so far. */
export function client(): Client {
  if (link === undefined) throw new ConnectionClosedError(new Error("it is not open yet"));
  return link.client;
}

/**
 * Keeps the connection open; call this once, when the page starts. `onOnline` is called on each new connection, and
 * where another sidecar has taken the place of the one before.
 */
export async function keepOpen(onOnline: (client: Client) => void): Promise<void> {
  const carrier = await chooseCarrier((hello) => {
    if (link?.state.status !== "ready") return;
    useLink.setState({ hello });
    onOnline(link.client);
  });
  link = keepConnected({
    ...carrier,
    client: { name: "llama-sidecar page", version: "0.1.0" },
    onReady: (client) => onOnline(client),
  });
  link.onState(show);
  show(link.state);
}

function show(state: LinkState): void {
  switch (state.status) {
    case "connecting":
      useLink.setState(({ state: before }) => ({
        state: before === "offline" ? "offline" : "connecting",
        client: null,
      }));
      return;
    case "ready":
      useLink.setState({ state: "online", client: link?.client ?? null, hello: state.sidecar, reason: null });
      return;
    default:
      useLink.setState({
        state: state.status === "closed" ? "refused" : "offline",
        client: null,
        reason: state.error,
      });
  }
}
