/** Readings over time, for the charts. Pure: readings in, at most so many points out. */

import type { Resources } from "@llama-sidecar/client";

/** One moment. Keys: `cpu`, `memory`, and `gpu0.use`, `gpu0.memory`, `server:ID`, …; percent or bytes. */
export interface Point {
  at: number;
  [key: string]: number;
}

/** As long as the longest window. */
export const KEPT_SECONDS = 3600;

/** A chart cannot show more points than this. */
const SHOWN_POINTS = 150;

/** What is read of the page's own answers at the same moment. */
export interface Answering {
  tokensPerSecond: number;
  waiting: number;
}

export function pointOf(resources: Resources, answering: Answering): Point {
  const { at, cpu, memory, gpus, servers } = resources;
  const point: Point = {
    at,
    cpu: cpu.percent,
    memory: memory.used_bytes,
    speed: answering.tokensPerSecond,
    waiting: answering.waiting,
  };
  for (const gpu of gpus) {
    put(point, `gpu${gpu.index}.use`, gpu.utilization_percent);
    put(point, `gpu${gpu.index}.memory`, gpu.used_bytes);
    put(point, `gpu${gpu.index}.temperature`, gpu.temperature_celsius);
    put(point, `gpu${gpu.index}.power`, gpu.power_watts);
  }
  for (const server of servers) {
    put(point, `server:${server.server_id}`, server.memory_bytes);
    put(point, `cpu:${server.server_id}`, server.cpu_percent);
  }
  return point;
}

function put(point: Point, key: string, value: number | null): void {
  if (value !== null) point[key] = value;
}

export function added(points: readonly Point[], point: Point): Point[] {
  const from = points.findIndex(({ at }) => at > point.at - KEPT_SECONDS);
  return [...(from < 0 ? [] : points.slice(from)), point];
}

/** The last `seconds`, thinned out: of each step its last reading. */
export function windowOf(points: readonly Point[], seconds: number): Point[] {
  const end = points.at(-1)?.at;
  if (end === undefined) return [];
  const step = Math.max(1, seconds / SHOWN_POINTS);
  const shown = new Map<number, Point>();
  for (const point of points) {
    if (point.at >= end - seconds) shown.set(Math.floor(point.at / step), point);
  }
  return [...shown.values()];
}

/** Every server that is in these points. */
export function serversIn(points: readonly Point[]): string[] {
  const found = new Set<string>();
  for (const point of points) {
    for (const key of Object.keys(point)) if (key.startsWith("server:")) found.add(key.slice("server:".length));
  }
  return [...found].sort();
}

/** The next number that can be read at a glance, for the top of a chart that has none of its own. */
export function roundTop(most: number): number {
  if (most <= 2) return 2;
  const step = 10 ** Math.floor(Math.log10(most));
  return step * ([1, 2, 4, 6, 8].find((times) => times * step >= most) ?? 10);
}
