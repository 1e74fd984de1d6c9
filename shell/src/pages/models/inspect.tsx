import type { ModelInfo } from "@llama-sidecar/client";
import { Code, Modal, Skeleton, Spoiler, Stack, Table, Tabs, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAnswer } from "../../link/use_answer";
import { ErrorCard } from "../../parts/error_card";
import { useFocusBack } from "../../parts/focus";
import { bytes, count, exact } from "../../parts/format";

/** What a model's header says, all of it. */
export function Inspect({ model, onClose }: { model: ModelInfo; onClose: () => void }) {
  const { value, error } = useAnswer(`inspect ${model.path}`, async (client) => {
    const [details, header] = await Promise.all([
      client.get_model({ model: model.name }),
      model.valid ? client.inspect_model({ path: model.path }) : null,
    ]);
    return { details, header };
  });
  useFocusBack();
  const [query, setQuery] = useState("");
  const rows = Object.entries(value?.header?.metadata ?? {}).filter(([key]) =>
    key.includes(query.trim().toLowerCase()),
  );
  return (
    <Modal opened onClose={onClose} title={model.name} size="xl">
      {error !== undefined && <ErrorCard error={error} />}
      {value === undefined && error === undefined && <Skeleton height={300} />}
      {value && (
        <Tabs defaultValue="facts">
          <Tabs.List aria-label="What is shown" mb="sm">
            <Tabs.Tab value="facts">What it is</Tabs.Tab>
            {value.header && <Tabs.Tab value="header">Header</Tabs.Tab>}
            {value.details.chat_template && <Tabs.Tab value="template">Chat template</Tabs.Tab>}
          </Tabs.List>
          <Tabs.Panel value="facts">
            <Rows
              rows={[
                ["File", value.details.path],
                [
                  "Size",
                  `${bytes(value.details.size_bytes)} in ${value.details.files} ${value.details.files === 1 ? "file" : "files"}`,
                ],
                ["Changed", exact(value.details.modified_at)],
                ["Architecture", value.details.architecture],
                ["Quantisation", value.details.quantization],
                ["Parameters", count(value.details.parameters)],
                ["Context it was trained for", count(value.details.context_length)],
                ["Layers", count(value.details.layers)],
                ["Heads, of them for the cache", `${count(value.details.heads)}, ${count(value.details.kv_heads)}`],
                ["Experts", count(value.details.experts)],
                ["Vocabulary", count(value.details.vocabulary)],
                ["Can", value.details.capabilities?.join(", ") ?? null],
                ["Projector", value.details.mmproj_path],
                ["Licence", value.details.licence],
                ["From", value.details.repo],
                ["Also at", value.details.other_paths.join("\n") || null],
              ]}
            />
          </Tabs.Panel>
          <Tabs.Panel value="header">
            <Stack gap="sm">
              <TextInput
                aria-label="Search the keys"
                placeholder="Search the keys"
                value={query}
                onChange={(event) => setQuery(event.currentTarget.value)}
              />
              <Rows
                rows={rows.map(([key, found]) => [key, typeof found === "string" ? found : JSON.stringify(found)])}
              />
            </Stack>
          </Tabs.Panel>
          <Tabs.Panel value="template">
            <Code block tabIndex={0} role="region" aria-label="Chat template">
              {value.details.chat_template}
            </Code>
          </Tabs.Panel>
        </Tabs>
      )}
    </Modal>
  );
}

function Rows({ rows }: { rows: [string, string | null][] }) {
  return (
    <Table fz="sm" layout="fixed">
      <Table.Tbody>
        {rows.map(([name, value]) => (
          <Table.Tr key={name}>
            <Table.Th scope="row" w="38%" fw={500} style={{ overflowWrap: "anywhere", verticalAlign: "top" }}>
              {name}
            </Table.Th>
            <Table.Td style={{ overflowWrap: "anywhere" }}>
              <Spoiler maxHeight={96} showLabel="All of it" hideLabel="Less">
                {value ?? "–"}
              </Spoiler>
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
