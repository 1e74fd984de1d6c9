import type { DeviceMemory } from "@llama-sidecar/client";
import { Group, Text } from "@mantine/core";
import { bytes } from "../../parts/format";

const PARTS = [
  ["weights_bytes", "Model", "#3b6fd4"],
  ["kv_cache_bytes", "Context", "#2f9e77"],
  ["compute_bytes", "Work", "#c98a1b"],
  ["projector_bytes", "Pictures", "#9355c4"],
  ["program_bytes", "Engine", "#7b8694"],
] as const;

/** A stacked bar a device: what the start would take of it, and what stays free. */
export function MemoryBars({ devices }: { devices: readonly DeviceMemory[] }) {
  return devices.map((device) => {
    const free = device.free_bytes;
    const whole = Math.max(device.total_bytes, free ?? 0);
    const parts = PARTS.filter(([key]) => device[key] > 0);
    const said = `${device.device === "Host" ? "Memory" : device.device}: ${bytes(device.total_bytes)} of ${bytes(free)} free`;
    return (
      <div key={device.device}>
        <Group justify="space-between" gap={8} mb={3}>
          <Text size="sm" fw={500}>
            {device.device === "Host" ? "This machine's memory" : device.device}
          </Text>
          <Text size="sm" c={device.fits ? "dimmed" : "var(--bad)"}>
            {bytes(device.total_bytes)} of {bytes(free, "an unknown amount")} free
          </Text>
        </Group>
        <div className="stack-bar" role="img" aria-label={said}>
          {parts.map(([key, , colour]) => (
            <span key={key} style={{ width: `${whole > 0 ? (100 * device[key]) / whole : 0}%`, background: colour }} />
          ))}
        </div>
        <Group gap="4px 12px" mt={5}>
          {parts.map(([key, title, colour]) => (
            <Text key={key} size="xs" c="dimmed">
              <span className="dot" style={{ background: colour }} aria-hidden /> {title} {bytes(device[key])}
            </Text>
          ))}
        </Group>
        {!device.fits && (
          <Text size="sm" c="var(--bad)" mt={4}>
            {bytes(device.short_by_bytes)} too little.
          </Text>
        )}
      </div>
    );
  });
}
