import { SegmentedControl, Skeleton, Text } from "@mantine/core";
import "@mantine/charts/styles.css";
import { useEffect, useState } from "react";
import { useLink } from "../../link/link";
import { bytes } from "../../parts/format";
import { useChat } from "../../state/chat";
import { serversIn, windowOf } from "../../state/series";
import { GpuPanels } from "./gpu_panels";
import { Panel } from "./panel";
import { startReading, useReadings } from "./readings";
import "./monitor.css";

const WINDOWS = [
  { value: "60", label: "1 min" },
  { value: "600", label: "10 min" },
  { value: "3600", label: "1 h" },
];

const COLOURS = ["#3b6fd4", "#2f9e77", "#c98a1b", "#9355c4", "#c94f6d", "#4a9db5"];

export default function Monitor() {
  const [seconds, setSeconds] = useState("60");
  const { points, now } = useReadings();
  const online = useLink(({ state }) => state === "online");
  const last = useChat((chat) => chat.last);
  useEffect(startReading, []);
  const shown = windowOf(points, Number(seconds));
  const servers = serversIn(shown);
  const latest = shown.at(-1);
  return (
    <div className="scroll">
      <div className="content">
        <div className="head">
          <h1>Monitor</h1>
          <SegmentedControl aria-label="How far back" data={WINDOWS} value={seconds} onChange={setSeconds} size="xs" />
        </div>
        {now === null ? (
          <div className="panels" aria-busy={online}>
            {online ? (
              [1, 2, 3, 4].map((panel) => <Skeleton key={panel} height={220} radius="lg" />)
            ) : (
              <Text>Not connected.</Text>
            )}
          </div>
        ) : (
          <div className="panels">
            <Panel
              title="Processors"
              value={`${Math.round(now.cpu.percent)} %`}
              about={`${now.cpu.logical_cores} cores`}
              points={shown}
              seconds={Number(seconds)}
              lines={[{ key: "cpu", name: "All cores", colour: COLOURS[0] ?? "" }]}
              most={100}
              format={(value) => `${Math.round(value)} %`}
            />
            <Panel
              title="Memory"
              value={bytes(now.memory.used_bytes)}
              about={`of ${bytes(now.memory.total_bytes)}, ${bytes(now.memory.available_bytes)} can still be had`}
              points={shown}
              seconds={Number(seconds)}
              lines={[{ key: "memory", name: "In use", colour: COLOURS[1] ?? "" }]}
              most={now.memory.total_bytes}
              format={bytes}
            />
            <GpuPanels now={now} points={shown} seconds={Number(seconds)} />
            <Panel
              title="Memory of servers"
              value={bytes(now.servers.reduce((sum, { memory_bytes }) => sum + memory_bytes, 0))}
              about={
                servers.length === 0
                  ? "No server is running"
                  : servers.map((id) => `${id} ${bytes(latest?.[`server:${id}`])}`).join(" · ")
              }
              points={shown}
              seconds={Number(seconds)}
              lines={servers.map((id, index) => ({
                key: `server:${id}`,
                name: id,
                colour: COLOURS[index % COLOURS.length] ?? "",
              }))}
              format={bytes}
            />
            <Panel
              title="Processors of servers"
              value={`${Math.round(now.servers.reduce((sum, { cpu_percent }) => sum + cpu_percent, 0))} %`}
              about="100 % is one core"
              points={shown}
              seconds={Number(seconds)}
              lines={servers.map((id, index) => ({
                key: `cpu:${id}`,
                name: id,
                colour: COLOURS[index % COLOURS.length] ?? "",
              }))}
              format={(value) => `${Math.round(value)} %`}
            />
            <Panel
              title="Speed of answers"
              value={`${(latest?.["speed"] ?? 0).toFixed(0)} tok/s`}
              about={`in this page, estimated while they are written${
                last?.timings.predicted_per_second
                  ? ` · the last one had ${last.timings.predicted_per_second.toFixed(1)} tok/s`
                  : ""
              }`}
              points={shown}
              seconds={Number(seconds)}
              lines={[{ key: "speed", name: "Tokens a second", colour: COLOURS[2] ?? "" }]}
              format={(value) => value.toFixed(0)}
            />
            <Panel
              title="Waiting messages"
              value={String(latest?.["waiting"] ?? 0)}
              about="sent from this page; other programs' are not known"
              points={shown}
              seconds={Number(seconds)}
              lines={[{ key: "waiting", name: "Waiting", colour: COLOURS[3] ?? "" }]}
              format={(value) => value.toFixed(0)}
            />
          </div>
        )}
        {now && (
          <Text size="sm" c="dimmed" mt="md">
            Disk of the data folder: {bytes(now.disk.free_bytes)} of {bytes(now.disk.total_bytes)} free.{" "}
            {now.gpu_status.message}
          </Text>
        )}
      </div>
    </div>
  );
}
