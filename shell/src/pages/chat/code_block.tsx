import { ActionIcon, Tooltip } from "@mantine/core";
import { IconTextWrap } from "@tabler/icons-react";
import { memo, useEffect, useState } from "react";
import { CopyButton } from "../../parts/copy_button";
import { usePrefs } from "../../state/prefs";

/** Longer ones are shown without colours: they would take longer to colour than a frame. */
const LONGEST_COLOURED = 40_000;

export const CodeBlock = memo(function CodeBlock({ code, language }: { code: string; language: string | undefined }) {
  const wrap = usePrefs((prefs) => prefs.wrapCode);
  const html = useColoured(code, language);
  return (
    <figure className="code" data-wrap={wrap || undefined}>
      <figcaption>
        <span>{language ?? "text"}</span>
        <Tooltip label={wrap ? "Keep lines whole" : "Wrap lines"}>
          <ActionIcon
            size="sm"
            aria-label="Wrap lines"
            aria-pressed={wrap}
            onClick={() => usePrefs.setState({ wrapCode: !wrap })}
          >
            <IconTextWrap size={16} />
          </ActionIcon>
        </Tooltip>
        <CopyButton icon label="Copy the code" text={() => code} />
      </figcaption>
      <pre tabIndex={0}>
        {html === null ? (
          <code>{code}</code>
        ) : (
          // biome-ignore lint/security/noDangerouslySetInnerHtml: highlight.js escapes all that it is given
          <code dangerouslySetInnerHTML={{ __html: html }} />
        )}
      </pre>
    </figure>
  );
});

function useColoured(code: string, language: string | undefined): string | null {
  const [html, setHtml] = useState<{ code: string; html: string } | null>(null);
  useEffect(() => {
    if (language === undefined || code.length > LONGEST_COLOURED) return undefined;
    let left = false;
    import("./highlighter").then(
      ({ coloured }) => {
        const done = coloured(code, language);
        if (!left && done !== null) setHtml({ code, html: done });
      },
      () => undefined, // without colours, then
    );
    return () => {
      left = true;
    };
  }, [code, language]);
  // While it is being written the colours are a frame behind; the text never is.
  return html?.code === code ? html.html : null;
}
