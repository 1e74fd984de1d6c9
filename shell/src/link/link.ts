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
import { type Carrier, chooseTransport } from "./transport";

export interface Link {
  /** `refused` is for good: trying again would not change it. */
  state: "connecting" | "online" | "offline" | "refused";
  /** Null while there is no connection. */
  client: Client | null;
  hello: InitializeResult | null;
  /** Why it is not online, in words. */
  reason: Error | null;
}

export const useLink = create<Link>(() => ({ state: "connecting", client: null, hello: null, reason: null }));

let carrier: Carrier | undefined;
let link: ClientLink | undefined;

/** Tries now, where the next try is waited for. */
export async function retryNow(): Promise<void> {
  await carrier?.wake();
  link?.retry();
}

/** The client. Throws where the page has not been connected so far. */
export function client(): Client {
  if (link === undefined) throw new ConnectionClosedError(new Error("it is not open yet"));
  return link.client;
}

/** Keeps the connection open. `onOnline` is called on each new one; call this once, when the page starts. */
export async function keepOpen(onOnline: (client: Client) => void): Promise<void> {
  carrier = await chooseTransport();
  link = keepConnected({
    connect: carrier.connect,
    client: { name: "llama-sidecar page", version: "0.1.0" },
    onReady: (client) => {
      onOnline(client);
      carrier?.onReady();
    },
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
