/** Cuts Markdown into blocks that do not depend on each other, so that only the last one is drawn again. Pure. */

/** Blocks in their order; together they are the text. A fence that is not closed yet is one block to the end. */
export function blocks(text: string): string[] {
  if (REFERENCE.test(text)) return [text];
  const found: string[] = [];
  let current: string[] = [];
  let fence: string | null = null;
  let math = false;
  const close = (): void => {
    if (current.some((line) => line.trim() !== "")) found.push(current.join("\n"));
    current = [];
  };
  for (const line of text.split("\n")) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence === null && mark !== undefined && !math) fence = mark;
    else if (fence !== null && line.trim() === mark && mark.startsWith(fence)) fence = null;
    if (fence === null && line.trim().startsWith("$$") && !line.trim().slice(2).includes("$$")) math = !math;
    current.push(line);
    if (line.trim() === "" && fence === null && !math && !continues(current)) close();
  }
  close();
  return joined(found);
}

/** A list continues after an empty line: its numbers would start again in a block of its own. */
function continues(lines: string[]): boolean {
  const first = lines.find((line) => line.trim() !== "") ?? "";
  return LIST.test(first) && lines.filter((line) => line.trim() === "").length < 2;
}

/** The address of a link, or a footnote, that stands apart: links in other blocks need it. */
const REFERENCE = /^ {0,3}\[[^\]\n]+\]:/m;

const LIST = /^\s*([-*+]|\d+[.)])\s/;

/** Neighbouring blocks of one list are one. */
function joined(found: string[]): string[] {
  const all: string[] = [];
  for (const block of found) {
    const last = all.at(-1);
    if (last !== undefined && LIST.test(last) && (LIST.test(block) || /^\s{2,}\S/.test(block))) {
      all[all.length - 1] = `${last}\n${block}`;
    } else all.push(block);
  }
  return all;
}

/**
 * `$x$`, `\(x\)` and `\[x\]`, as models write them, between two dollars each: what one dollar begins may be a price.
 * Code is left alone.
 */
export function dollars(text: string): string {
  return text
    .split(/(```[\s\S]*?(?:```|$)|`[^`\n]*`)/)
    .map((part, index) =>
      index % 2 === 1
        ? part
        : part
            .replace(FORMULA, (_whole, inner: string) => `$$${inner}$$`)
            .replace(/\\\[([\s\S]*?)\\\]/g, (_whole, inner: string) => `\n$$\n${inner.trim()}\n$$\n`)
            .replace(/\\\(([\s\S]*?)\\\)/g, (_whole, inner: string) => `$$${inner}$$`),
    )
    .join("");
}

/** Neither after nor before a word or a number, and without blanks at its ends. */
const FORMULA = /(?<![\\$\w])\$(?=[^\s$])([^$\n]*?[^\s$\\])\$(?![\w$])/g;
