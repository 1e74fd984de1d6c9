import { useRef } from "react";
import type { Item } from "../../state/messages";
import { isOver } from "../../state/turn";

/** Says an answer to a screen reader sentence by sentence: token by token it could not be followed. */
export function Announcer({ items }: { items: Item[] }) {
  const said = useRef("");
  const last = items.at(-1);
  if (last?.kind === "turn") said.current = sentences(last.turn.content, isOver(last.turn));
  return (
    <div className="visually-hidden" aria-live="polite" aria-atomic="false">
      {said.current === ""
        ? null
        : said.current.split("\n").map((line, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: sentences are only ever added at the end
            <p key={index}>{line}</p>
          ))}
    </div>
  );
}

/** The whole sentences and lines at the beginning of a text, a line each; of one that is over, all of it. */
export function sentences(text: string, over: boolean): string {
  const ends = [...text.matchAll(/[.!?]+(?=\s)|\n/g)].map(({ index, 0: mark }) => index + mark.length);
  return text
    .slice(0, over ? text.length : (ends.at(-1) ?? 0))
    .split(/(?<=[.!?])\s+|\n+/)
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== "")
    .join("\n");
}
