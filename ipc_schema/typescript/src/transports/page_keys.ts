/**
 * The key of a page in a browser: taken from its address, kept for its tab, and passed on to other tabs.
 *
 * Owns where the key is. The tab's session storage is bound to the origin with its port, unlike a cookie, and no other
 * tab reads it. A tab without a key asks the others; one that has a key has the sidecar make a link, and passes on that.
 */

import { keyIn, type PageKey } from "./handshake.js";

/** Where a page's key is. */
export interface PageKeys {
  /** The key, or undefined where there is none. */
  current(): Promise<PageKey | undefined>;
  /** Keep another one in its place. */
  keep(key: PageKey): void;
  /** Pass links on to other tabs, which `makeLink` makes. */
  share(makeLink: () => Promise<PageKey>): void;
}

/** The parts of a browser's window that are used. */
export interface PageWindow {
  readonly location: { readonly hash: string; readonly pathname: string; reload(): void };
  readonly history: { replaceState(data: unknown, unused: string, url: string): void };
  readonly sessionStorage: {
    getItem(name: string): string | null;
    setItem(name: string, value: string): void;
  };
  readonly BroadcastChannel: new (name: string) => {
    onmessage: ((event: any) => void) | null;
    postMessage(message: unknown): void;
  };
  addEventListener(type: "hashchange", listener: () => void): void;
}

const STORED = "llama-sidecar-key";
const CHANNEL = "llama-sidecar-keys";

/** For other tabs to answer: one in the background may be slow. */
const OTHER_TABS_MS = 1_500;

/** The keys of this page. Takes the key out of the address immediately, so that it stays in no history. */
export function pageKeys(page: PageWindow = globalThis as unknown as PageWindow): PageKeys {
  const channel = new page.BroadcastChannel(CHANNEL);
  const asking = new Map<string, (key: PageKey) => void>();
  let makeLink: (() => Promise<PageKey>) | undefined;

  const keep = (key: PageKey) => page.sessionStorage.setItem(STORED, JSON.stringify(key));
  const take = (): boolean => {
    const key = keyIn(page.location.hash);
    if (key === undefined) return false;
    keep(key);
    page.history.replaceState(null, "", page.location.pathname);
    return true;
  };
  const askOthers = () =>
    new Promise<PageKey | undefined>((resolve) => {
      const id = crypto.randomUUID();
      const late = setTimeout(() => resolve(undefined), OTHER_TABS_MS);
      asking.set(id, (key) => {
        asking.delete(id);
        clearTimeout(late);
        resolve(key);
      });
      channel.postMessage({ asks: id });
    });

  channel.onmessage = ({ data }: { data: { asks?: string; given?: string; key?: PageKey } }) => {
    const { asks: asked, given, key } = data;
    if (asked !== undefined) {
      makeLink?.().then(
        (key) => channel.postMessage({ given: asked, key }),
        () => undefined, // without a sidecar there is nothing to pass on
      );
    } else if (given !== undefined && key !== undefined) asking.get(given)?.(key);
  };
  take();
  // Another address that is opened in this tab changes its fragment only.
  page.addEventListener("hashchange", () => take() && page.location.reload());

  return {
    keep,
    share: (make) => {
      makeLink = make;
    },
    current: async () => {
      const stored = page.sessionStorage.getItem(STORED);
      if (stored !== null) return JSON.parse(stored) as PageKey;
      const key = await askOthers();
      if (key !== undefined) keep(key);
      return key;
    },
  };
}
