import type { ModelInfo } from "@llama-sidecar/client";
import { Button, Group, Select, Skeleton, Stack, Text, TextInput } from "@mantine/core";
import { IconBox, IconRefresh, IconSearch } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { go } from "../../frame/route";
import { client, useLink } from "../../link/link";
import { Empty } from "../../parts/empty";
import { report, toast } from "../../parts/problems";
import { useWorld } from "../../state/feed";
import { ModelCard } from "./model_card";

const ORDERS: Record<string, (a: ModelInfo, b: ModelInfo) => number> = {
  Name: (a, b) => a.name.localeCompare(b.name),
  Newest: (a, b) => b.modified_at - a.modified_at,
  Largest: (a, b) => b.size_bytes - a.size_bytes,
};

export function Library() {
  const models = useWorld((world) => world.models);
  const known = useWorld((world) => world.modelsKnown);
  const offline = useLink(({ state }) => state === "offline" || state === "refused");
  const [query, setQuery] = useState("");
  const [order, setOrder] = useState("Name");
  const all = Object.values(models);
  const shown = useMemo(() => {
    const words = query.toLowerCase().split(/\s+/);
    const text = ({ name, display_name, architecture, quantization, capabilities, origin }: ModelInfo): string =>
      [name, display_name, architecture, quantization, origin, ...(capabilities ?? [])].join(" ").toLowerCase();
    return Object.values(models)
      .filter((model) => words.every((word) => text(model).includes(word)))
      .sort(ORDERS[order]);
  }, [models, query, order]);
  if (!known && offline) {
    return (
      <Empty icon={<IconBox size={26} stroke={1.5} />} title="Not connected">
        The library is shown again with the connection.
      </Empty>
    );
  }
  if (!known) return <Waiting />;
  if (all.length === 0) {
    return (
      <Empty
        icon={<IconBox size={26} stroke={1.5} />}
        title="No model yet"
        actions={<Button onClick={() => go("models", "hub")}>Find one on the hub</Button>}
      >
        Import a GGUF file, or name a folder of them under Settings, Models. What Ollama, LM Studio, Jan and the Hugging
        Face cache have is found by itself.
      </Empty>
    );
  }
  return (
    <Stack gap="md">
      <Group gap="sm">
        <TextInput
          aria-label="Search the library"
          placeholder="Name, quantisation, what it can …"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={query}
          onChange={(event) => setQuery(event.currentTarget.value)}
          style={{ flex: "1 1 220px" }}
        />
        <Select
          aria-label="Order"
          data={Object.keys(ORDERS)}
          value={order}
          onChange={(value) => setOrder(value ?? "Name")}
          allowDeselect={false}
          w={130}
        />
        <Button
          variant="default"
          leftSection={<IconRefresh size={16} aria-hidden />}
          onClick={() => scan().catch(report)}
        >
          Scan again
        </Button>
      </Group>
      <div className="models">
        {shown.map((model) => (
          <ModelCard key={model.name} model={model} />
        ))}
      </div>
      {shown.length === 0 && <Text c="dimmed">No model has these words.</Text>}
    </Stack>
  );
}

async function scan(): Promise<void> {
  const { models, damaged } = await client().scan_models();
  toast(`${models} ${models === 1 ? "model" : "models"}${damaged > 0 ? `, ${damaged} of them cannot be run` : ""}.`);
}

function Waiting() {
  return (
    <div className="models" aria-busy="true">
      {[1, 2, 3].map((card) => (
        <Skeleton key={card} height={150} radius="lg" />
      ))}
    </div>
  );
}
