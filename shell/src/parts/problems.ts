/** Toasts: for what happened outside the person's view. state/problem owns the names of failures. */

import { ConnectionClosedError } from "@llama-sidecar/client";
import { notifications } from "@mantine/notifications";
import { createElement } from "react";
import { problemOf } from "../state/problem";
import { ProblemText } from "./problem_text";

/** A failure. */
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

/** As `report`; a lost connection is shown by the frame, once. */
export function reportUnlessGone(error: unknown): void {
  if (!(error instanceof ConnectionClosedError)) report(error);
}

/** Says that something was done, and how to undo it. */
export function toast(message: string, undo?: () => Promise<unknown>): void {
  const id = `toast-${message}-${Date.now()}`;
  const act = undo && (() => undo().then(() => notifications.hide(id), report));
  notifications.show({
    id,
    color: "gray",
    autoClose: undo ? 10_000 : 4000,
    message: createElement(ProblemText, { said: message, ...(act && { undo: act }) }),
    closeButtonProps: { "aria-label": "Close this message" },
  });
}
