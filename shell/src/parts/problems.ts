/** What a failure is called in front of a person. Owns the wording of errors that are not the sidecar's, and toasts. */

import { ConnectionClosedError, SidecarError, type WireError } from "@llama-sidecar/client";
import { notifications } from "@mantine/notifications";
import { createElement } from "react";
import { onThePage } from "./hints";
import { ProblemText } from "./problem_text";

export interface Problem {
  title: string;
  hint: string;
  name: string;
  retryable: boolean;
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
    logTail: null,
    details: {},
  };
}

function fromData(title: string, data: Readonly<Record<string, unknown>>): Problem {
  const tail = data["log_tail"];
  return {
    title,
    hint: typeof data["hint"] === "string" ? onThePage(data["hint"]) : "",
    name: typeof data["name"] === "string" ? data["name"] : "INTERNAL_ERROR",
    retryable: data["retryable"] === true,
    logTail: Array.isArray(tail) ? tail.join("\n") : typeof tail === "string" && tail !== "" ? tail : null,
    details: data,
  };
}

function isWireError(error: unknown): error is WireError {
  return typeof error === "object" && error !== null && "code" in error && "message" in error && "data" in error;
}

export const wasCancelled = (error: unknown): boolean => problemOf(error).name === "CANCELLED";

/** The text that "Copy details" copies: for a report, without what was said. */
export function detailsOf(problem: Problem): string {
  const { partial: _said, ...details } = problem.details;
  return JSON.stringify({ message: problem.title, ...details }, null, 2);
}

/** A toast: for what happened away from where the person looks. */
export function report(error: unknown): void {
  const problem = problemOf(error);
  if (problem.name === "CANCELLED") return;
  notifications.show({
    id: `${problem.name}-${problem.title}`,
    color: "red",
    autoClose: problem.retryable ? 8000 : 15_000,
    title: problem.title,
    message: createElement(ProblemText, { problem }),
    closeButtonProps: { "aria-label": "Close this message" },
  });
}

/** As `report`; a lost connection is told by the frame, once. */
export function reportUnlessGone(error: unknown): void {
  if (!(error instanceof ConnectionClosedError)) report(error);
}

/** Says that something was done, and how to undo it. */
export function told(message: string, undo?: () => Promise<unknown>): void {
  const id = `told-${message}-${Date.now()}`;
  const act = undo && (() => undo().then(() => notifications.hide(id), report));
  notifications.show({
    id,
    color: "gray",
    autoClose: undo ? 10_000 : 4000,
    message: createElement(ProblemText, { said: message, ...(act && { undo: act }) }),
    closeButtonProps: { "aria-label": "Close this message" },
  });
}
