import { Button, Loader, Skeleton, Stack } from "@mantine/core";
import { IconArrowDown } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { reportUnlessGone } from "../../parts/problems";
import { loadOlder } from "../../state/chat";
import type { Item } from "../../state/messages";
import { Announcer } from "./announcer";
import { LiveAnswer } from "./live_answer";
import { MessageView } from "./message_view";
import { SaidView } from "./said_view";
import { markShown, useSought } from "./sought";

/** How near the end counts as being there: a line and a half. */
const AT_END_PX = 40;
/** How long a message that was searched for is marked. */
const SHOWN_MS = 4000;
/** How near the top older messages are fetched. */
const NEAR_TOP_PX = 1500;

interface Props {
  id: string;
  items: Item[];
  hasMore: boolean;
  known: boolean;
}

/** The messages, of which only those on the screen are drawn. Follows the end while the reader is there. */
export function MessageList({ id, items, hasMore, known }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [following, setFollowing] = useState(true);
  const follow = useRef(true);
  const loading = useRef(false);
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => box.current,
    estimateSize: (index) => estimate(items[index]),
    getItemKey: (index) => items[index]?.key ?? index,
    overscan: 6,
    paddingStart: 16,
    paddingEnd: 24,
  });
  const total = virtual.getTotalSize();

  // biome-ignore lint/correctness/useExhaustiveDependencies: every growth of the list moves its end
  useLayoutEffect(() => {
    if (follow.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [total, items]);

  const turnKey = items.at(-1)?.kind;
  useEffect(() => {
    if (turnKey !== "turn") return;
    follow.current = true;
    setFollowing(true);
  }, [turnKey]);

  useOlder(id, items, hasMore, virtual, box, loading);

  const sought = useSought(({ sought }) => (sought?.session === id ? sought.message : null));
  const found = sought === null ? -1 : items.findIndex(({ key }) => key === sought);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is gone to once
  useEffect(() => {
    if (found < 0) return undefined;
    follow.current = false;
    setFollowing(false);
    virtual.scrollToIndex(found, { align: "center" });
    const timer = setTimeout(markShown, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [sought, found >= 0]);

  const onScroll = useCallback(() => {
    const { scrollTop = 0, scrollHeight = 0, clientHeight = 0 } = box.current ?? {};
    const atEnd = scrollHeight - scrollTop - clientHeight < AT_END_PX;
    // Only a movement upwards leaves the end: text that grows moves it away, too.
    if (atEnd) follow.current = true;
    else if (scrollTop < lastTop.current - 2) follow.current = false;
    lastTop.current = scrollTop;
    setFollowing(follow.current);
    if (hasMore && scrollTop < NEAR_TOP_PX && !loading.current) {
      loading.current = true;
      loadOlder(id)
        .catch(reportUnlessGone)
        .finally(() => {
          loading.current = false;
        });
    }
  }, [hasMore, id]);
  const lastTop = useRef(0);

  const toEnd = (): void => {
    follow.current = true;
    setFollowing(true);
    virtual.scrollToIndex(items.length - 1, { align: "end" });
  };

  return (
    <div className="chat-scroll-frame">
      <div
        className="chat-scroll"
        ref={box}
        onScroll={onScroll}
        role="log"
        aria-live="off"
        aria-label="Messages"
        tabIndex={0}
      >
        {!known && <Waiting />}
        {hasMore && <Loader size="xs" className="chat-older" role="status" aria-label="Loading older messages" />}
        <div style={{ height: total, position: "relative" }}>
          {virtual.getVirtualItems().map(({ index, key, start }) => (
            <div
              key={key}
              data-index={index}
              ref={virtual.measureElement}
              className="chat-item"
              aria-current={key === sought || undefined}
              style={{ transform: `translateY(${start}px)` }}
            >
              <div className="chat-column">{draw(items[index], index === items.length - 1)}</div>
            </div>
          ))}
        </div>
      </div>
      <Announcer items={items} />
      {!following && (
        <Button
          className="chat-latest"
          size="xs"
          variant="default"
          leftSection={<IconArrowDown size={14} aria-hidden />}
          onClick={toEnd}
        >
          Jump to latest
        </Button>
      )}
    </div>
  );
}

/** Older messages came in above: what is read stays where it is. */
function useOlder(
  id: string,
  items: Item[],
  hasMore: boolean,
  virtual: ReturnType<typeof useVirtualizer<HTMLDivElement, Element>>,
  box: React.RefObject<HTMLDivElement | null>,
  loading: React.MutableRefObject<boolean>,
): void {
  const first = useRef<{ id: string; key: string | undefined }>({ id, key: undefined });
  // biome-ignore lint/correctness/useExhaustiveDependencies: only what stands first decides
  useLayoutEffect(() => {
    const { id: of, key } = first.current;
    first.current = { id, key: items[0]?.key };
    if (of !== id || key === undefined || key === items[0]?.key || box.current === null) return;
    const moved = items.findIndex((item) => item.key === key);
    if (moved <= 0) return;
    const added = items.slice(0, moved).reduce((sum, item) => sum + estimate(item), 0);
    virtual.scrollToOffset(box.current.scrollTop + added);
    loading.current = false;
  }, [items[0]?.key, hasMore]);
}

function draw(item: Item | undefined, last: boolean) {
  if (item === undefined) return null;
  if (item.kind === "message") return <MessageView message={item.message} last={last} />;
  if (item.kind === "said") return <SaidView text={item.text} images={item.images} />;
  return <LiveAnswer turn={item.turn} />;
}

/** Close to what a message takes before it is measured: characters in lines of the column. */
function estimate(item: Item | undefined): number {
  if (item?.kind !== "message") return 90;
  return 60 + Math.ceil(item.message.content.length / 85) * 24 + (item.message.content.split("\n").length - 1) * 12;
}

function Waiting() {
  return (
    <Stack className="chat-column" gap={24} pt={24} aria-busy="true">
      <Skeleton height={40} width="55%" style={{ alignSelf: "flex-end" }} />
      <Skeleton height={90} />
      <Skeleton height={40} width="40%" style={{ alignSelf: "flex-end" }} />
      <Skeleton height={140} />
    </Stack>
  );
}
