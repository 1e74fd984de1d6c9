/**
 * How a page and a sidecar prove to each other that they have the same key, before anything else is said.
 *
 * Owns the order of the messages and what is computed from a key; `sidecar/transport/web/admission.py` is the other
 * side. The key itself never travels, and nothing is said to a program that has not proved that it has it.
 */

import { NotAdmittedError } from "../errors.js";

/** The sub-protocol: this handshake, then one JSON-RPC message per text frame. Incompatible ones get another number. */
export const SUBPROTOCOL = "llama-sidecar.v2";

const KEY_BYTES = 32;
const NAME_BYTES = 9;

/** A key that the sidecar knows. */
export interface PageKey {
  /** Its public name. */
  readonly name: string;
  /** The secret, in base64 for addresses. */
  readonly secret: string;
  /** It stood in an address: it works once, and becomes the key of a session. */
  readonly isLink: boolean;
}

/** What a page wants to be: connected, or given a link for another tab, after which the socket is closed. */
export type Purpose = "session" | "link";

/** The messages of an open socket. `next` rejects when the socket is closed. */
export interface Messages {
  send(text: string): void;
  next(): Promise<string>;
}

/** The key in an address's fragment, such as "#token=name.secret"; undefined if there is none. */
export function keyIn(fragment: string): PageKey | undefined {
  const [, name, secret] = /^#token=([\w-]+)\.([\w-]+)$/.exec(fragment) ?? [];
  return name === undefined || secret === undefined ? undefined : { name, secret, isLink: true };
}

/**
 * Prove who we are, and have the sidecar prove it first.
 *
 * Returns the key to use from now on: with the purpose "link" the new link's, otherwise the session's. Rejects with a
 * NotAdmittedError if the other side is not the sidecar that gave the key.
 */
export async function shakeHands(
  messages: Messages,
  host: string,
  key: PageKey,
  purpose: Purpose = "session",
): Promise<PageKey> {
  const nonce = toText(crypto.getRandomValues(new Uint8Array(KEY_BYTES)));
  messages.send(JSON.stringify({ key: key.name, nonce, purpose }));
  const theirs = parsed(await messages.next());
  const derived = (role: string) => hmac(toBytes(key.secret), [SUBPROTOCOL, role, host, nonce, theirs["nonce"]].join("\n"));
  if (theirs["proof"] !== toText(await derived("sidecar"))) throw NotAdmittedError.unproven();
  messages.send(JSON.stringify({ proof: toText(await derived("page")) }));
  const [next, last] = await Promise.all([derived(purpose), messages.next()]);
  if (parsed(last)["admitted"] !== true) throw NotAdmittedError.unproven();
  if (!key.isLink && purpose === "session") return key;
  const name = toText((await hmac(next, "name")).slice(0, NAME_BYTES));
  return { name, secret: toText(next), isLink: purpose === "link" };
}

async function hmac(key: Uint8Array<ArrayBuffer>, text: string): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, new TextEncoder().encode(text)));
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // as what is JSON, and not ours
  }
  throw NotAdmittedError.unproven();
}

function toText(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

function toBytes(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
