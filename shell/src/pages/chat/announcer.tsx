import { useRef } from "react";
import type { Item } from "../../state/messages";

/** Says an answer to a screen reader sentence by sentence: token by token nobody can listen to it. */
export function Announcer({ items }: { items: Item[] }) {
  const said = useRef("");
  const last = items.at(-1);
  const text = last?.kind === "turn" ? last.turn.content : undefined;
  if (text !== undefined) said.current = sentences(text);
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

/** The whole sentences at the beginning of a text, a line each. */
export function sentences(text: string): string {
  const whole = text.match(/[^.!?\n]+[.!?\n]+(?=\s|$)/g) ?? [];
  return whole
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== "")
    .join("\n");
}
