import highlight from "highlight.js/lib/common";

/** The code as HTML with classes; null where the language is not known. */
export function coloured(code: string, language: string): string | null {
  const known = highlight.getLanguage(language.toLowerCase());
  return known === undefined
    ? null
    : highlight.highlight(code, { language: language.toLowerCase(), ignoreIllegals: true }).value;
}
