import type { Resources } from "@llama-sidecar/client";
import { bytes } from "../../parts/format";
import type { Point } from "../../state/series";
import { Panel } from "./panel";

/** For each GPU its use and its memory; temperature and power beside them. */
export function GpuPanels({ now, points, seconds }: { now: Resources; points: Point[]; seconds: number }) {
  return now.gpus.flatMap((gpu) => {
    const more = [
      ...(gpu.temperature_celsius === null ? [] : [`${Math.round(gpu.temperature_celsius)} °C`]),
      ...(gpu.power_watts === null ? [] : [`${Math.round(gpu.power_watts)} W`]),
    ];
    return [
      <Panel
        key={`${gpu.uuid} use`}
        title={`GPU ${gpu.index}`}
        value={gpu.utilization_percent === null ? "–" : `${Math.round(gpu.utilization_percent)} %`}
        about={[gpu.name, ...more].join(" · ")}
        points={points}
        seconds={seconds}
        lines={[{ key: `gpu${gpu.index}.use`, name: "Use", colour: "#3b6fd4" }]}
        most={100}
        format={(value) => `${Math.round(value)} %`}
      />,
      <Panel
        key={`${gpu.uuid} memory`}
        title={`GPU ${gpu.index} memory`}
        value={bytes(gpu.used_bytes)}
        about={gpu.total_bytes === null ? gpu.name : `of ${bytes(gpu.total_bytes)}`}
        points={points}
        seconds={seconds}
        lines={[{ key: `gpu${gpu.index}.memory`, name: "In use", colour: "#9355c4" }]}
        most={gpu.total_bytes ?? undefined}
        format={bytes}
      />,
    ];
  });
}
