/**
 * The connection to the sidecar, for as long as the page is open.
 *
 * Owns opening it, introducing the page, opening it again when it is lost, and the client in use. Knows nothing of
 * what is said over it.
 */

import { type Client, CONTRACT_VERSION, createClient, type InitializeResult, SidecarError } from "@llama-sidecar/client";
import { create } from "zustand";
import { openTransport } from "./transport";

export interface Link {
  /** `refused`: the other side answered, and does not want this page. Trying again would not change that. */
  state: "connecting" | "online" | "offline" | "refused";
  client: Client | null;
  hello: InitializeResult | null;
  /** Why it is not online, in words. */
  reason: string | null;
}

export const useLink = create<Link>(() => ({ state: "connecting", client: null, hello: null, reason: null }));

/** Pauses between attempts; the last one goes on. Short at first, since a restart of the sidecar takes a second. */
const PAUSES_MS = [300, 1000, 2000, 5000];

/** Long enough for a machine that is loading a model; a sidecar answers in milliseconds. */
const HELLO_TIMEOUT_MS = 10_000;

let wake: (() => void) | undefined;

/** Ends the pause before the next attempt. */
export function retryNow(): void {
  wake?.();
}

/** The client in use. Throws where there is none. */
export function client(): Client {
  const { client } = useLink.getState();
  if (client === null) throw new Error("The page is not connected to the sidecar.");
  return client;
}

/** Keeps the connection open. `onOnline` is called with each new client; called once, when the page starts. */
export async function keepOpen(onOnline: (client: Client) => void): Promise<never> {
  for (let attempt = 0; ; attempt++) {
    try {
      const opened = createClient(await openTransport());
      const hello = await introduced(opened);
      attempt = 0;
      useLink.setState({ state: "online", client: opened, hello, reason: null });
      onOnline(opened);
      lost(await opened.closed);
    } catch (error) {
      lost(error);
    }
    await pause(PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)] ?? 0);
  }
}

async function introduced(opened: Client): Promise<InitializeResult> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), HELLO_TIMEOUT_MS);
  try {
    const who = { name: "llama-sidecar page", version: "0.1.0" };
    return await opened.initialize({ client: who, contract_version: CONTRACT_VERSION }, { signal: timeout.signal });
  } finally {
    clearTimeout(timer);
  }
}

function lost(error: unknown): void {
  const refused = error instanceof SidecarError && !error.retryable;
  const reason = error instanceof Error ? error.message : String(error);
  useLink.setState({ state: refused ? "refused" : "offline", client: null, reason });
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}
