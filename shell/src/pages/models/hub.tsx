import type { HubModel } from "@llama-sidecar/client";
import { Badge, Card, Group, Skeleton, Stack, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconChevronRight, IconSearch } from "@tabler/icons-react";
import { useState } from "react";
import { create } from "zustand";
import { useAnswer } from "../../link/use_answer";
import { ErrorCard } from "../../parts/error_card";
import { ago, short } from "../../parts/format";
import { HubFiles } from "./hub_files";

/** What is searched for stays while other pages are open. */
const useQuery = create(() => ({ query: "" }));

export function Hub() {
  const query = useQuery(({ query }) => query);
  const [settled] = useDebouncedValue(query.trim(), 400);
  const { value, error, loading, reload } = useAnswer(`hub ${settled}`, (client, signal) =>
    client.search_hub({ query: settled, limit: 30 }, { signal }),
  );
  return (
    <Stack gap="md">
      <TextInput
        aria-label="Search the hub"
        placeholder="Words of a model's name, or owner/name"
        leftSection={<IconSearch size={16} aria-hidden />}
        value={query}
        onChange={(event) => useQuery.setState({ query: event.currentTarget.value })}
      />
      {/^[\w.-]+\/[\w.-]+/.test(settled) && <Named repo={settled} />}
      {error !== undefined && <ErrorCard error={error} onRetry={reload} />}
      {loading &&
        value === undefined &&
        error === undefined &&
        [1, 2, 3].map((row) => <Skeleton key={row} height={64} radius="lg" />)}
      {value?.length === 0 && <Text c="dimmed">The hub has no GGUF model of this name.</Text>}
      <Stack gap={8} aria-busy={loading}>
        {value?.map((model) => (
          <Repo key={model.repo} model={model} />
        ))}
      </Stack>
    </Stack>
  );
}

function Named({ repo }: { repo: string }) {
  return (
    <Card>
      <Text fw={600} mb={8}>
        {repo}
      </Text>
      <HubFiles repo={repo} />
    </Card>
  );
}

function Repo({ model }: { model: HubModel }) {
  const [open, setOpen] = useState(false);
  return (
    <Card padding="sm">
      <UnstyledButton onClick={() => setOpen(!open)} aria-expanded={open}>
        <Group gap={8} wrap="nowrap">
          <IconChevronRight size={16} className="fold" data-open={open || undefined} aria-hidden />
          <Text fw={500} style={{ flex: 1, minWidth: 0, overflowWrap: "anywhere" }}>
            {model.repo}
          </Text>
          {model.gated && (
            <Badge variant="default" size="sm">
              needs access
            </Badge>
          )}
          <Text size="sm" c="dimmed" style={{ whiteSpace: "nowrap" }}>
            {short(model.downloads)} a month
            <span className="wide-only">
              {" "}
              · {short(model.likes)} likes{model.updated_at !== null && ` · ${ago(model.updated_at)}`}
            </span>
          </Text>
        </Group>
      </UnstyledButton>
      {open && (
        <div style={{ marginTop: 10 }}>
          <HubFiles repo={model.repo} />
        </div>
      )}
    </Card>
  );
}
