/**
 * The parts of the page that are loaded when they are needed.
 *
 * Fetched soon after the sidecar has proved itself: after its end another program may listen on its port, and a script
 * of that program would be a part of this page. From then on the browser has all parts and asks for none.
 */

/** The names of all parts; the build writes them into the page. */
const NAMES = 'meta[name="llama-sidecar-parts"]';

let fetched = false;

/** Fetches all parts, once. A part that cannot be fetched is fetched when it is needed. */
export function fetchParts(): void {
  if (fetched) return;
  fetched = true;
  const names = document.querySelector<HTMLMetaElement>(NAMES)?.content ?? "";
  for (const name of names.split(" ").filter((name) => name !== "")) {
    if (name.endsWith(".js")) preload(name);
    else void fetch(name).catch(() => undefined);
  }
}

function preload(name: string): void {
  const link = document.createElement("link");
  link.rel = "modulepreload";
  link.href = name;
  document.head.append(link);
}
