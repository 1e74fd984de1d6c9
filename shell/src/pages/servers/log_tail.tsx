import type { LogEntry } from "@llama-sidecar/client";
import { Anchor } from "@mantine/core";
import { useLayoutEffect, useRef, useState } from "react";
import { go } from "../../frame/route";
import { useAnswer } from "../../link/use_answer";
import { useSubscription } from "../../link/use_subscription";
import { clock } from "../../parts/format";
import { addLines } from "../../state/log_lines";

/** As many as a person reads here; the Logs page has them all. */
const LINES = 200;

/** The last lines of a server's log, live. */
export function LogTail({ source }: { source: string }) {
  const [lines, setLines] = useState<LogEntry[]>([]);
  const box = useRef<HTMLPreElement>(null);
  const { value } = useAnswer(`log ${source}`, (client) => client.get_logs({ source, limit: LINES }));
  useSubscription(["logs"], { source, min_level: "debug" }, (event) => {
    if (event.status === "logs") setLines((all) => addLines(all, event.entries, LINES));
  });
  const shown = addLines(value?.entries ?? [], lines, LINES);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new line moves the end
  useLayoutEffect(() => {
    // Not as the effect's result: in newer browsers scrollTo returns a promise.
    box.current?.scrollTo(0, box.current.scrollHeight);
  }, [shown.length, shown.at(-1)?.seq]);
  return (
    <div>
      <pre className="log-tail" ref={box} tabIndex={0} role="region" aria-label="End of the log">
        {shown.length === 0
          ? "Nothing was logged yet."
          : shown.map((line) => `${clock(line.at)} ${line.message}`).join("\n")}
      </pre>
      <Anchor component="button" type="button" size="sm" onClick={() => go("logs", source)}>
        All of it
      </Anchor>
    </div>
  );
}
