import { memo, type ReactNode, useEffect, useMemo, useState } from "react";
import ReactMarkdown, { type Components, type Options } from "react-markdown";
import remarkGfm from "remark-gfm";
import { CodeBlock } from "./code_block";
import { blocks, dollars } from "./markdown_blocks";

type Plugins = Pick<Options, "remarkPlugins" | "rehypePlugins">;

const PLAIN: Plugins = { remarkPlugins: [remarkGfm], rehypePlugins: [] };

/** Markdown as it stands in an answer. HTML is shown as text, pictures and pages from elsewhere are never fetched. */
export default function Markdown({ text, writing }: { text: string; writing: boolean }) {
  const formulas = useMemo(() => dollars(text), [text]);
  const plugins = usePlugins(formulas.includes("$$"));
  const parts = useMemo(() => blocks(formulas), [formulas]);
  return (
    <div className="prose" data-writing={writing || undefined}>
      {parts.map((part, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: blocks are only ever added at the end
        <Block key={index} text={part} plugins={plugins} />
      ))}
    </div>
  );
}

const Block = memo(function Block({ text, plugins }: { text: string; plugins: Plugins }) {
  return (
    <ReactMarkdown {...plugins} components={COMPONENTS} skipHtml={false}>
      {text}
    </ReactMarkdown>
  );
});

let withMath: Plugins | undefined;

/** Formulas are drawn by a large library, which is fetched with the first of them. */
function usePlugins(math: boolean): Plugins {
  const [loaded, setLoaded] = useState(withMath);
  useEffect(() => {
    if (!math || withMath !== undefined) return;
    let left = false;
    import("./formulas").then(
      ({ remarkMath, rehypeKatex }) => {
        withMath = {
          remarkPlugins: [remarkGfm, [remarkMath, { singleDollarTextMath: false }]],
          rehypePlugins: [[rehypeKatex, { output: "htmlAndMathml", throwOnError: false, trust: false }]],
        };
        if (!left) setLoaded(withMath);
      },
      () => undefined, // as text, then
    );
    return () => {
      left = true;
    };
  }, [math]);
  return math && loaded !== undefined ? loaded : PLAIN;
}

const COMPONENTS: Components = {
  a: ({ href, children }) => (
    <a href={href} target="_blank" rel="noreferrer noopener">
      {children}
    </a>
  ),
  img: ({ src, alt }) => (
    <a href={typeof src === "string" ? src : undefined} target="_blank" rel="noreferrer noopener">
      {alt || "A picture elsewhere"}
    </a>
  ),
  pre: ({ children }) => <>{children}</>,
  code: ({ className, children }) => {
    const text = textOf(children);
    const language = /language-(\S+)/.exec(className ?? "")?.[1];
    const inline = language === undefined && !text.includes("\n");
    return inline ? <code>{children}</code> : <CodeBlock code={text.replace(/\n$/, "")} language={language} />;
  },
  table: ({ children }) => (
    <div className="prose-table" tabIndex={0} role="region" aria-label="Table">
      <table>{children}</table>
    </div>
  ),
};

function textOf(children: ReactNode): string {
  return Array.isArray(children) ? children.map(textOf).join("") : typeof children === "string" ? children : "";
}
