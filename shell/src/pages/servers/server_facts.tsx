import type { MemoryTaken, ServerInfo } from "@llama-sidecar/client";
import { Table, Text } from "@mantine/core";
import { useEffect, useState } from "react";
import { useSubscription } from "../../link/use_subscription";
import { ago, bytes, count, duration, exact } from "../../parts/format";
import { gpuWords } from "../../parts/server_state";

/** What a server is, and what was planned for it against what it took. */
export function ServerFacts({ server }: { server: ServerInfo }) {
  const { actual, plan, started_at } = server;
  const memory = useMemory(server.server_id);
  useMinute();
  const facts: [string, string][] = [
    ["Up since", started_at === null ? "–" : ago(started_at)],
    ["Loaded in", actual === null ? "–" : duration(actual.load_ms / 1000)],
    ["Parallel messages", count(actual?.slots ?? server.parallel)],
    ["Context of each", actual === null ? count(server.ctx_size) : count(actual.context_per_message)],
    ["Memory now", bytes(memory)],
    ["GPU", gpuWords(server) ?? "not reported"],
    ["Restarts", String(server.restarts)],
    ["Address", server.base_url ?? "private socket"],
  ];
  return (
    <>
      <dl className="facts" title={started_at === null ? undefined : exact(started_at)}>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {plan !== null && actual !== null && actual.memory.length > 0 && (
        <Compared of={server.server_id} planned={plan.memory} actual={actual.memory} />
      )}
    </>
  );
}

function Compared(props: { of: string; planned: readonly MemoryTaken[]; actual: readonly MemoryTaken[] }) {
  const { of, planned, actual } = props;
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label={`Memory of ${of}, planned and actual`}>
      <Table fz="sm" verticalSpacing={4} miw={420}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Device</Table.Th>
            <Table.Th ta="right">Planned</Table.Th>
            <Table.Th ta="right">Actual</Table.Th>
            <Table.Th ta="right">Model</Table.Th>
            <Table.Th ta="right">Context</Table.Th>
            <Table.Th ta="right">Work</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {actual.map((taken) => {
            const plan = planned.find(({ device }) => device === taken.device);
            return (
              <Table.Tr key={taken.device}>
                <Table.Td>{taken.device === "Host" ? "Memory" : taken.device}</Table.Td>
                <Table.Td ta="right">
                  {plan ? (
                    bytes(sum(plan))
                  ) : (
                    <Text span c="dimmed" size="sm">
                      not reported
                    </Text>
                  )}
                </Table.Td>
                <Table.Td ta="right">{bytes(sum(taken))}</Table.Td>
                <Table.Td ta="right">{bytes(taken.weights_bytes)}</Table.Td>
                <Table.Td ta="right">{bytes(taken.kv_cache_bytes)}</Table.Td>
                <Table.Td ta="right">{bytes(taken.compute_bytes)}</Table.Td>
              </Table.Tr>
            );
          })}
        </Table.Tbody>
      </Table>
    </div>
  );
}

const sum = (taken: MemoryTaken): number =>
  taken.weights_bytes + taken.kv_cache_bytes + taken.compute_bytes + taken.projector_bytes;

/** Resident memory of the server's engine, now. */
function useMemory(id: string): number | null {
  const [memory, setMemory] = useState<number | null>(null);
  useSubscription(["resources"], { interval_ms: 2000 }, (event) => {
    if (event.status !== "resources") return;
    setMemory(event.resources.servers.find(({ server_id }) => server_id === id)?.memory_bytes ?? null);
  });
  return memory;
}

/** Draws again each half minute, for the running times. */
function useMinute(): void {
  const [, setCount] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setCount((n) => n + 1), 30_000);
    return () => clearInterval(timer);
  }, []);
}
