import type { Level, LogEntry } from "@llama-sidecar/client";
import { Anchor, Button, Chip, Group, Select, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconPlayerPause, IconPlayerPlay, IconSearch } from "@tabler/icons-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { useRoute } from "../../frame/route";
import { client } from "../../link/link";
import { useAnswer } from "../../link/use_answer";
import { useSubscription } from "../../link/use_subscription";
import { CopyButton } from "../../parts/copy_button";
import { ErrorCard } from "../../parts/error_card";
import { bytes } from "../../parts/format";
import { report, toast } from "../../parts/problems";
import { addLines, asText, filtered, LEVELS } from "../../state/log_lines";
import { LineList, type LineListHandle } from "./line_list";
import "./logs.css";

/** Lines kept here; the sidecar's files have them all. */
const MOST = 20_000;
const FIRST = 5000;
/** New lines are shown together this often: an engine may write thousands a second. */
const SHOWN_EVERY_MS = 200;

export default function Logs() {
  const { rest } = useRoute();
  const [sources, setSources] = useState<string[]>(rest === "" ? [] : [rest]);
  const [level, setLevel] = useState<Level>("info");
  const [text, setText] = useState("");
  const [query] = useDebouncedValue(text, 150);
  const [live, setLive] = useState<LogEntry[]>([]);
  const [paused, setPaused] = useState(false);
  const [dropped, setDropped] = useState(0);
  const arrived = useRef<LogEntry[]>([]);
  const list = useRef<LineListHandle>(null);
  useEffect(() => setSources(rest === "" ? [] : [rest]), [rest]);
  const known = useAnswer("sources", (client) => client.list_log_sources());
  // Of one source its own last lines: among those of all there may be none of it.
  const [source] = sources.length === 1 ? sources : [];
  const { value, error, reload } = useAnswer(`logs ${level} ${source}`, (client) =>
    client.get_logs({ limit: FIRST, min_level: level, ...(source !== undefined && { source }) }),
  );
  useSubscription(["logs"], { min_level: level }, (event) => {
    if (event.status !== "logs") return;
    if (event.dropped > 0) setDropped((all) => all + event.dropped);
    arrived.current = addLines(arrived.current, event.entries, MOST);
  });
  useEffect(() => {
    if (paused) return undefined;
    const timer = setInterval(() => {
      if (arrived.current.length === 0) return;
      const added = arrived.current;
      arrived.current = [];
      setLive((all) => addLines(all, added, MOST));
    }, SHOWN_EVERY_MS);
    return () => clearInterval(timer);
  }, [paused]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another level is another reading
  useEffect(() => setLive([]), [level, value]);
  const all = useMemo(() => addLines(value?.entries ?? [], live, MOST), [value, live]);
  const shown = useMemo(
    () => filtered(all, { sources: new Set(sources), level, text: query }),
    [all, sources, level, query],
  );
  const met = useMemo(() => new Set(all.map(({ source }) => source)), [all]);
  const names = [...new Set([...(known.value ?? []).map(({ source }) => source), ...met, ...sources])].sort();
  const clear = (): void => {
    client()
      .clear_logs(source === undefined ? {} : { source })
      .then(() => {
        arrived.current = [];
        setLive([]);
        reload();
        known.reload();
        toast("The log is empty.");
      }, report);
  };
  const folder = known.value?.[0]?.file.replace(/[\\/][^\\/]*$/, "");
  const file = known.value?.find((one) => one.source === source);
  return (
    <div className="logs">
      <div className="head">
        <h1>Logs</h1>
        <Group gap={6}>
          <Button
            size="xs"
            variant="default"
            aria-pressed={paused}
            leftSection={paused ? <IconPlayerPlay size={14} aria-hidden /> : <IconPlayerPause size={14} aria-hidden />}
            onClick={() => setPaused(!paused)}
          >
            {paused ? "Continue" : "Pause"}
          </Button>
          <Button
            size="xs"
            variant="default"
            onClick={() => list.current?.toError()}
            disabled={!shown.some(({ level }) => level === "error")}
          >
            Next error
          </Button>
          <CopyButton label="Copy" text={() => asText(shown)} />
          <Button size="xs" variant="default" onClick={clear}>
            Clear
          </Button>
        </Group>
      </div>
      <Group gap="sm" mb="sm">
        <Chip.Group multiple value={sources} onChange={setSources}>
          <Group gap={6} role="group" aria-label="Sources">
            {names.map((name) => (
              <Chip key={name} value={name} size="xs" variant="outline">
                {name}
              </Chip>
            ))}
          </Group>
        </Chip.Group>
        <Select
          aria-label="Lowest level"
          size="xs"
          w={130}
          data={LEVELS.map((value) => ({ value, label: value === "debug" ? "everything" : `${value} and up` }))}
          value={level}
          onChange={(next) => setLevel((next ?? "info") as Level)}
          allowDeselect={false}
        />
        <TextInput
          aria-label="Only lines with this text"
          size="xs"
          placeholder="Only lines with …"
          leftSection={<IconSearch size={14} aria-hidden />}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          style={{ flex: "1 1 160px" }}
        />
      </Group>
      {error !== undefined && <ErrorCard error={error} onRetry={reload} />}
      <LineList ref={list} lines={shown} query={query} follow={!paused} />
      <Text size="xs" c="dimmed" mt={6} role="status">
        {shown.length.toLocaleString("en")} of {all.length.toLocaleString("en")} lines
        {dropped > 0 && ` · ${dropped.toLocaleString("en")} came too fast and are only in the files`}
        {paused && " · paused"}
        {folder && (
          <>
            {" · "}
            <Anchor
              component="button"
              type="button"
              inherit
              onClick={() =>
                void navigator.clipboard.writeText(folder).then(() => toast("The path is copied."), report)
              }
            >
              Copy the folder's path
            </Anchor>
          </>
        )}
        {file && (
          <>
            {" · "}
            <Anchor
              component="button"
              type="button"
              inherit
              onClick={() =>
                void navigator.clipboard.writeText(file.file).then(() => toast("The path is copied."), report)
              }
            >
              {file.file}
            </Anchor>
            {` (${bytes(file.file_bytes)})`}
          </>
        )}
      </Text>
    </div>
  );
}
