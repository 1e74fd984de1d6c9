/** The errors of calls. */

import { ERROR_CODES, type ErrorName } from "./contract.js";
import type { Remedy } from "./types.js";

/** The sidecar's answer to a request that failed. Switch on `errorName`. */
export class SidecarError extends Error {
  override readonly name = "SidecarError";

  /** JSON-RPC's code, one for each name. */
  readonly code: number;
  /** The stable name. A later sidecar may send one that this client does not know. */
  readonly errorName: ErrorName | (string & {});
  /** Whether the same request may succeed later without a change. */
  readonly retryable: boolean;
  /** What to do next, in one sentence for people. */
  readonly hint: string;
  /** What a host can do or offer; a later sidecar may name actions that this client does not know. */
  readonly remedies: readonly Remedy[];
  /** All data of the error, such as `partial` or `log_tail`. */
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: number, message: string, data: Readonly<Record<string, unknown>>) {
    super(message);
    this.code = code;
    this.errorName = typeof data["name"] === "string" ? data["name"] : "INTERNAL_ERROR";
    this.retryable = data["retryable"] === true;
    this.hint = typeof data["hint"] === "string" ? data["hint"] : "";
    this.remedies = remediesIn(data);
    this.data = data;
  }

  /** The `error` member of a response. */
  static fromWire(error: unknown): SidecarError {
    if (!isObject(error) || typeof error["code"] !== "number" || typeof error["message"] !== "string") {
      return new SidecarError(ERROR_CODES.INTERNAL_ERROR, "The sidecar sent an invalid error.", {});
    }
    return new SidecarError(error["code"], error["message"], isObject(error["data"]) ? error["data"] : {});
  }

  /** A request that was cancelled before it was sent. */
  static cancelled(): SidecarError {
    const name: ErrorName = "CANCELLED";
    const data = { name, retryable: false, hint: "", remedies: [] };
    return new SidecarError(ERROR_CODES[name], "The request was cancelled before it was sent.", data);
  }
}

/** The connection is closed. Every call under way rejects with the same error; `cause` is the reason. */
export class ConnectionClosedError extends Error {
  override readonly name = "ConnectionClosedError";

  constructor(cause: Error) {
    super(`The connection to the sidecar is closed: ${cause.message}`, { cause });
  }
}

/** The sidecar does not admit this page, or is not the one that did. Permanent: the client does not reconnect. */
export class NotAdmittedError extends Error {
  override readonly name = "NotAdmittedError";

  constructor(
    message = "The sidecar does not know this page. Press Enter where llama-sidecar runs, and open the address it prints.",
  ) {
    super(message);
  }

  /** Another program listens where the sidecar did. Nothing was said to it. */
  static unproven(): NotAdmittedError {
    return new NotAdmittedError(
      "The program at this address cannot prove that it is the sidecar that showed this page. Close the page, start llama-sidecar again and open the address it prints.",
    );
  }
}

/** The remedies in an error's `data`. */
export function remediesIn(data: Readonly<Record<string, unknown>>): readonly Remedy[] {
  const found = data["remedies"];
  return Array.isArray(found) ? found.filter(isRemedy) : [];
}

function isRemedy(value: unknown): value is Remedy {
  return isObject(value) && typeof value["action"] === "string" && isObject(value["params"]);
}

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
