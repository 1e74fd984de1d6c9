/** How full the context would be with the message that is being written. Pure. */

import type { PreviewContextResult } from "@llama-sidecar/client";

export interface Gauge {
  used: number;
  max: number;
  percent: number;
  level: "good" | "near" | "over";
  /** What will be left out or refused, before it is sent; null where all goes. */
  warning: string | null;
}

/** From here on the answer may find little room. */
const NEAR = 0.85;

export function gaugeOf(
  preview: Pick<PreviewContextResult, "fits" | "max_context" | "input_length" | "dropped">,
): Gauge {
  const { fits, max_context: max, input_length: used, dropped } = preview;
  const part = max > 0 ? used / max : 0;
  const left_out = dropped.length;
  const warning = !fits
    ? `This does not fit: ${used.toLocaleString("en")} tokens, and the context holds ${max.toLocaleString("en")}.`
    : left_out > 0
      ? `${left_out === 1 ? "The oldest message" : `${left_out} older messages`} will not be sent to the model.`
      : null;
  const level = !fits ? "over" : left_out > 0 || part > NEAR ? "near" : "good";
  return { used, max, percent: Math.min(100, 100 * part), level, warning };
}
