/** Which page is shown, kept in the address so that a reload and the back button work. */

import { useSyncExternalStore } from "react";

export const PAGES = ["chat", "servers", "models", "monitor", "logs", "settings"] as const;
export type PageName = (typeof PAGES)[number];

export interface Route {
  page: PageName;
  /** What of the page: a session, a server, a search. */
  rest: string;
}

export function parseRoute(hash: string): Route {
  const [name = "", ...rest] = hash.replace(/^#\/?/, "").split("/");
  const page = PAGES.find((page) => page === name) ?? "chat";
  return { page, rest: decoded(rest.join("/")) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // written by hand
  }
}

export function go(page: PageName, rest = ""): void {
  location.hash = rest === "" ? `/${page}` : `/${page}/${encodeURIComponent(rest)}`;
}

function listen(changed: () => void): () => void {
  window.addEventListener("hashchange", changed);
  return () => window.removeEventListener("hashchange", changed);
}

export function useRoute(): Route {
  return parseRoute(useSyncExternalStore(listen, () => location.hash));
}
