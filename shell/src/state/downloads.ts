/** How far a download is, in the words and numbers that are shown. Pure. */

import type { Download } from "@llama-sidecar/client";
import { bytes, duration } from "../parts/format";

export const isMoving = ({ state }: Download): boolean =>
  state === "queued" || state === "checking" || state === "downloading" || state === "verifying";

export const isOpen = (download: Download): boolean =>
  isMoving(download) || download.state === "paused" || download.state === "failed";

/** What is called by its file, where there is one, else by where it comes from. */
export function nameOf({ files, repo, url }: Download): string {
  const file = files.find(({ name }) => name.endsWith(".gguf"))?.name ?? files[0]?.name;
  return file?.split("/").at(-1) ?? repo ?? url ?? "A download";
}

/** 0 to 100; null where the whole is not known. */
export function progressOf(download: Download): number | null {
  const { total_bytes, received_bytes, verified_bytes, state } = download;
  if (state === "done") return 100;
  if (total_bytes === null || total_bytes === 0) return null;
  return Math.min(100, (100 * (state === "verifying" ? verified_bytes : received_bytes)) / total_bytes);
}

/** One line: what it does, how fast, how long still. */
export function lineOf(download: Download): string {
  const { received_bytes, total_bytes, bytes_per_second, eta_seconds, waiting, state } = download;
  const so_far = total_bytes === null ? bytes(received_bytes) : `${bytes(received_bytes)} of ${bytes(total_bytes)}`;
  switch (state) {
    case "queued":
      return "Waits for others to end";
    case "checking":
      return "Asking what there is";
    case "verifying":
      return "Checking what has come";
    case "paused":
      return `Paused at ${so_far}`;
    case "failed":
      return `Stopped at ${so_far}`;
    case "done":
      return `Done, ${bytes(total_bytes ?? received_bytes)}`;
    case "cancelled":
      return "Given up";
    default: {
      if (waiting !== null) return `${so_far}. ${waiting}`;
      const rate = bytes_per_second === null ? [] : [`${bytes(bytes_per_second)}/s`];
      const left = eta_seconds === null ? [] : [`${duration(eta_seconds)} left`];
      return [so_far, ...rate, ...left].join(" · ");
    }
  }
}
