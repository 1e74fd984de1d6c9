import { Button, Skeleton, Stack, Tabs, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconPencilPlus, IconSearch, IconUpload } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState } from "react";
import { go } from "../../frame/route";
import { client } from "../../link/link";
import { report } from "../../parts/problems";
import { useWorld } from "../../state/feed";
import { usePrefs } from "../../state/prefs";
import { type Row, sessionRows, startOfToday } from "../../state/sessions";
import { SearchHits } from "./search_hits";
import { SessionRow } from "./session_row";

/** Enough of a word for the search in messages to find something meant. */
const SHORTEST_SEARCH = 2;

export function Sessions({ current }: { current: string }) {
  const [query, setQuery] = useState("");
  const [searched] = useDebouncedValue(query.trim(), 250);
  const [archived, setArchived] = useState(false);
  const sessions = useWorld((world) => world.sessions);
  const known = useWorld((world) => world.sessionsKnown);
  const pinned = usePrefs((prefs) => prefs.pinned);
  const rows = useMemo(
    () => sessionRows(Object.values(sessions), { query, archived, pinned: new Set(pinned), today: startOfToday() }),
    [sessions, query, archived, pinned],
  );
  return (
    <div className="sessions">
      <Button leftSection={<IconPencilPlus size={18} aria-hidden />} variant="default" onClick={() => go("chat")}>
        New chat
      </Button>
      <TextInput
        aria-label="Search chats and messages"
        placeholder="Search chats and messages"
        leftSection={<IconSearch size={16} aria-hidden />}
        value={query}
        onChange={(event) => setQuery(event.currentTarget.value)}
      />
      <Tabs
        value={archived ? "archived" : "open"}
        onChange={(value) => setArchived(value === "archived")}
        variant="pills"
      >
        <Tabs.List grow aria-label="Which chats">
          <Tabs.Tab value="open">Chats</Tabs.Tab>
          <Tabs.Tab value="archived">Archived</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value={archived ? "archived" : "open"}>
          <span />
        </Tabs.Panel>
      </Tabs>
      {!known ? <Waiting /> : <List rows={rows} current={current} none={noneOf(query, archived)} />}
      {searched.length >= SHORTEST_SEARCH && <SearchHits query={searched} />}
      <Import />
    </div>
  );
}

const noneOf = (query: string, archived: boolean): string =>
  query !== ""
    ? "No chat of this name."
    : archived
      ? "Nothing is archived."
      : "No chats yet. What you say first is the title.";

function List({ rows, current, none }: { rows: Row[]; current: string; none: string }) {
  const box = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: (index) => (rows[index]?.kind === "heading" ? 30 : 38),
    getItemKey: (index) => rows[index]?.key ?? index,
    overscan: 8,
  });
  if (rows.length === 0) {
    return (
      <Text size="sm" c="dimmed" p="sm" style={{ flex: 1 }}>
        {none}
      </Text>
    );
  }
  return (
    <nav className="sessions-list" ref={box} aria-label="Chats">
      <div style={{ height: virtual.getTotalSize(), position: "relative" }}>
        {virtual.getVirtualItems().map(({ index, key, start }) => {
          const row = rows[index];
          return (
            row && (
              <div
                key={key}
                data-index={index}
                ref={virtual.measureElement}
                className="sessions-row"
                style={{ transform: `translateY(${start}px)` }}
              >
                {row.kind === "heading" ? (
                  <Text size="xs" fw={600} c="dimmed" pt={10} pl={10}>
                    {row.title}
                  </Text>
                ) : (
                  <SessionRow session={row.session} current={row.session.session_id === current} />
                )}
              </div>
            )
          );
        })}
      </div>
    </nav>
  );
}

function Waiting() {
  return (
    <Stack gap={8} style={{ flex: 1 }} aria-busy="true">
      {[1, 2, 3, 4, 5].map((line) => (
        <Skeleton key={line} height={30} />
      ))}
    </Stack>
  );
}

function Import() {
  const input = useRef<HTMLInputElement>(null);
  const bring = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    const session = await client().import_session({ content: await file.text() });
    go("chat", session.session_id);
  };
  return (
    <>
      <input
        ref={input}
        type="file"
        accept="application/json,.json"
        hidden
        onChange={(event) => {
          bring(event.currentTarget.files?.[0]).catch(report);
          event.currentTarget.value = "";
        }}
      />
      <Button
        size="compact-sm"
        variant="subtle"
        color="gray"
        leftSection={<IconUpload size={15} aria-hidden />}
        onClick={() => input.current?.click()}
      >
        Import a chat
      </Button>
    </>
  );
}
