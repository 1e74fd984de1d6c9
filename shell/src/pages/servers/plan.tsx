import type { MemoryEstimate, StartLlamaServerParams } from "@llama-sidecar/client";
import { Button, Card, Group, Skeleton, Stack, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconPlayerPlayFilled } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useAnswer } from "../../link/use_answer";
import { CopyButton } from "../../parts/copy_button";
import { bytes, count, spoken } from "../../parts/format";
import { problemOf } from "../../state/problem";
import { changeServer, startServer } from "../../state/starts";
import type { Settings } from "./form";
import { MemoryBars } from "./memory_bars";

interface Props {
  settings: Settings;
  /** The server that is restarted; null: another one. */
  changes: string | null;
  onChange: (name: string, value: unknown) => void;
  onStarted: () => void;
  children: ReactNode;
}

/** How long after the last change the plan is made again. */
const PLAN_AFTER_MS = 250;

/** What a start would take and do; stays in sight while the form is scrolled. */
export function Plan({ settings, changes, onChange, onStarted, children }: Props) {
  const [settled] = useDebouncedValue(settings, PLAN_AFTER_MS);
  const key = JSON.stringify(settled);
  const { server_id: _id, ...forMemory } = settled;
  const estimate = useAnswer(`memory ${key}`, (client, signal) => client.estimate_memory(forMemory, { signal }));
  const command = useAnswer(`command ${key}`, (client, signal) => client.preview_command(settled, { signal }));
  const start = (): void => {
    if (changes === null) void startServer(settings as StartLlamaServerParams);
    else void changeServer(changes, settings as StartLlamaServerParams);
    onStarted();
  };
  return (
    <aside className="launcher-plan" aria-label="Plan">
      <Card>
        <Stack gap="sm">
          <Text fw={600} component="h2" m={0}>
            Memory
          </Text>
          {estimate.error !== undefined ? (
            <Trouble error={estimate.error} />
          ) : estimate.value === undefined ? (
            <Skeleton height={90} />
          ) : (
            <Estimate estimate={estimate.value} busy={estimate.loading} onChange={onChange} />
          )}
        </Stack>
      </Card>
      <Card>
        <Group justify="space-between" mb={6}>
          <Text fw={600} component="h2" m={0}>
            Command
          </Text>
          {command.value && <CopyButton icon label="Copy the command" text={() => command.value?.one_liner ?? ""} />}
        </Group>
        {command.error !== undefined ? (
          <Trouble error={command.error} />
        ) : (
          <pre className="command" tabIndex={0} role="region" aria-label="The command">
            {command.value?.one_liner ?? "…"}
          </pre>
        )}
        {command.value && command.value.ignored.length > 0 && (
          <Text size="sm" mt={6}>
            This engine does not know {command.value.ignored.map(spoken).join(", ")}: left out.
          </Text>
        )}
      </Card>
      <Button
        size="md"
        leftSection={<IconPlayerPlayFilled size={16} aria-hidden />}
        onClick={start}
        disabled={command.error !== undefined}
      >
        {changes === null ? "Start" : "Restart"}
      </Button>
      {changes !== null && (
        <Text size="xs" c="dimmed">
          {changes} is stopped first, and answers that it is writing end.
        </Text>
      )}
      <Group justify="flex-end">{children}</Group>
    </aside>
  );
}

function Trouble({ error }: { error: unknown }) {
  const { title, hint } = problemOf(error);
  return (
    <Text size="sm" role="status">
      <Text span c="var(--bad)" inherit>
        {title}
      </Text>{" "}
      {hint}
    </Text>
  );
}

function Estimate(props: {
  estimate: MemoryEstimate;
  busy: boolean;
  onChange: (name: string, value: unknown) => void;
}) {
  const { estimate, busy, onChange } = props;
  return (
    <Stack gap="sm" aria-busy={busy}>
      <MemoryBars devices={estimate.devices} />
      <Text size="sm" role="status">
        <span className="dot" data-state={estimate.fits ? "good" : "bad"} aria-hidden /> {estimate.message}
      </Text>
      {!estimate.fits && estimate.lower_first.length > 0 && (
        <Stack gap={6}>
          {estimate.lower_first.map(({ setting, value, frees_bytes, reason, fits_then }) => (
            <Group key={`${setting} ${value}`} gap={8} wrap="nowrap" align="flex-start">
              <Button
                size="compact-xs"
                variant="default"
                style={{ flex: "none" }}
                onClick={() => onChange(setting, value)}
              >
                {spoken(setting)}: {String(value)}
              </Button>
              <Text size="xs" c="dimmed">
                {reason} Frees {bytes(frees_bytes)}
                {fits_then ? "; it fits then." : "."}
              </Text>
            </Group>
          ))}
        </Stack>
      )}
      <Text size="xs" c="dimmed">
        {estimate.model}: context {count(estimate.ctx_size)}, {estimate.n_gpu_layers} of {estimate.total_layers} layers
        on the GPU.{" "}
        {estimate.method === "allocator" ? "The engine planned this itself" : "Calculated from the model's header"},
        give or take {Math.round(estimate.error_margin * 100)} %.
        {estimate.largest_ctx_size !== null && ` The largest context that fits: ${count(estimate.largest_ctx_size)}.`}
      </Text>
      {estimate.notes.map((note) => (
        <Text key={note} size="xs" c="dimmed">
          {note}
        </Text>
      ))}
    </Stack>
  );
}
