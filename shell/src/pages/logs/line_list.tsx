import type { LogEntry } from "@llama-sidecar/client";
import { Mark } from "@mantine/core";
import { IconFileText } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { forwardRef, useImperativeHandle, useLayoutEffect, useRef } from "react";
import { Empty } from "../../parts/empty";
import { clock, exact } from "../../parts/format";
import { cutAt } from "../../state/log_lines";

export interface LineListHandle {
  /** To the next error above what is shown, and from the top on to the last one. */
  toError: () => void;
}

interface Props {
  lines: LogEntry[];
  query: string;
  follow: boolean;
}

const AT_END_PX = 30;

export const LineList = forwardRef<LineListHandle, Props>(function LineList({ lines, query, follow }, handle) {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const jumped = useRef(Number.POSITIVE_INFINITY);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => 22,
    getItemKey: (index) => lines[index]?.seq ?? index,
    overscan: 20,
  });
  const total = virtual.getTotalSize();
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new line moves the end
  useLayoutEffect(() => {
    if (follow && atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [total, lines.at(-1)?.seq, follow]);
  useImperativeHandle(handle, () => ({
    toError: () => {
      const above = (index: number): number =>
        lines.findLastIndex(({ level }, place) => level === "error" && place < index);
      const found = above(jumped.current);
      const at = found >= 0 ? found : above(Number.POSITIVE_INFINITY);
      jumped.current = at;
      atEnd.current = false;
      if (at >= 0) virtual.scrollToIndex(at, { align: "center" });
    },
  }));
  if (lines.length === 0) {
    return (
      <div className="lines">
        <Empty icon={<IconFileText size={26} stroke={1.5} />} title="No lines">
          {query === "" ? "Nothing has been logged at this level." : "No line has this text."}
        </Empty>
      </div>
    );
  }
  return (
    <div
      className="lines"
      ref={box}
      tabIndex={0}
      role="log"
      aria-live="off"
      aria-label="Log lines"
      onScroll={() => {
        const { scrollTop = 0, scrollHeight = 0, clientHeight = 0 } = box.current ?? {};
        atEnd.current = scrollHeight - scrollTop - clientHeight < AT_END_PX;
      }}
    >
      <div style={{ height: total, position: "relative" }}>
        {virtual.getVirtualItems().map(({ index, key, start }) => {
          const line = lines[index];
          return (
            line && (
              <div
                key={key}
                data-index={index}
                ref={virtual.measureElement}
                className="line"
                data-level={line.level}
                style={{ transform: `translateY(${start}px)` }}
              >
                <time title={exact(line.at)}>{clock(line.at)}</time>
                <span className="line-level">{line.level}</span>
                <span className="line-source">{line.source}</span>
                <span className="line-text">
                  {cutAt(line.message, query).map((part, place) =>
                    // biome-ignore lint/suspicious/noArrayIndexKey: parts of one line never change places
                    place % 2 === 1 ? <Mark key={place}>{part}</Mark> : part,
                  )}
                </span>
              </div>
            )
          );
        })}
      </div>
    </div>
  );
});
