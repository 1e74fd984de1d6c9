/** A failure as a person sees it. Owns the wording of errors that are not the sidecar's; who shows them is in parts. */

import { ConnectionClosedError, type Remedy, remediesIn, SidecarError, type WireError } from "@llama-sidecar/client";

export interface Problem {
  title: string;
  hint: string;
  name: string;
  retryable: boolean;
  /** What the page can offer, see `remedies`. */
  remedies: readonly Remedy[];
  /** The end of an engine's log, where the error has it. */
  logTail: string | null;
  details: Readonly<Record<string, unknown>>;
}

export function problemOf(error: unknown): Problem {
  if (error instanceof SidecarError) return fromData(error.message, error.data);
  if (isWireError(error)) return fromData(error.message, error.data);
  const title = error instanceof Error ? error.message : String(error);
  const gone = error instanceof ConnectionClosedError;
  return {
    title: gone ? "The connection to the sidecar was lost." : title,
    hint: gone ? "The page connects again by itself." : "",
    name: gone ? "CONNECTION_LOST" : "PAGE_ERROR",
    retryable: gone,
    remedies: [],
    logTail: null,
    details: {},
  };
}

function fromData(title: string, data: Readonly<Record<string, unknown>>): Problem {
  const tail = data["log_tail"];
  return {
    title,
    hint: typeof data["hint"] === "string" ? data["hint"] : "",
    name: typeof data["name"] === "string" ? data["name"] : "INTERNAL_ERROR",
    retryable: data["retryable"] === true,
    remedies: remediesIn(data),
    logTail: Array.isArray(tail) ? tail.join("\n") : typeof tail === "string" && tail !== "" ? tail : null,
    details: data,
  };
}

function isWireError(error: unknown): error is WireError {
  return typeof error === "object" && error !== null && "code" in error && "message" in error && "data" in error;
}

export const wasCancelled = (error: unknown): boolean => problemOf(error).name === "CANCELLED";

/** What “Copy details” copies: for a report, without the messages themselves. */
export function detailsOf(problem: Problem): string {
  const { partial: _said, ...details } = problem.details;
  return JSON.stringify({ message: problem.title, ...details }, null, 2);
}
