/** Log lines as they are shown: merged, bounded, filtered. Pure. */

import type { Level, LogEntry } from "@llama-sidecar/client";

/** New lines after those that are there, each once, the oldest left out beyond `most`. */
export function addLines(lines: readonly LogEntry[], added: readonly LogEntry[], most: number): LogEntry[] {
  const last = lines.at(-1)?.seq ?? -1;
  const fresh = added.filter(({ seq }) => seq > last);
  const all = fresh.length === added.length || fresh.length > 0 ? [...lines, ...fresh] : [...lines];
  return all.length > most ? all.slice(all.length - most) : all;
}

export const LEVELS: readonly Level[] = ["debug", "info", "warning", "error"];

export interface LogFilter {
  /** Empty: all of them. */
  sources: ReadonlySet<string>;
  level: Level;
  text: string;
}

export function filtered(lines: readonly LogEntry[], { sources, level, text }: LogFilter): LogEntry[] {
  const least = LEVELS.indexOf(level);
  const query = text.toLowerCase();
  return lines.filter(
    (line) =>
      LEVELS.indexOf(line.level) >= least &&
      (sources.size === 0 || sources.has(line.source)) &&
      (query === "" || line.message.toLowerCase().includes(query)),
  );
}

/** A text cut at the places where `query` is: every second part is a hit. */
export function cutAt(text: string, query: string): string[] {
  if (query === "") return [text];
  const parts: string[] = [];
  const lower = text.toLowerCase();
  const word = query.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, from)) {
    parts.push(text.slice(from, at), text.slice(at, at + word.length));
    from = at + word.length;
  }
  return [...parts, text.slice(from)];
}

export const asText = (lines: readonly LogEntry[]): string =>
  lines
    .map(
      ({ at, level, source, message }) =>
        `${new Date(at * 1000).toISOString()} ${level.padEnd(7)} ${source} ${message}`,
    )
    .join("\n");
