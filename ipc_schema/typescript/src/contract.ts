// Generated from sidecar/contract by build/schema/generate.py. Do not edit.

import type { MethodName, Topic } from "./types.js";

/** The contract that this client was generated from: major and minor. */
export const CONTRACT_VERSION = "1.2";

/** SHA-256 of its OpenRPC document, as `initialize` answers it. */
export const CONTRACT_HASH = "8265705ebf16d6377152fe51dc82a2cc1075f85673ef2e13f4ca017cbcbd1e6c";

/**
 * How a method uses channels. `none`: not at all. `request`: events come until its response.
 * `subscription`: events come after its response too, until the channel's last one.
 */
export type Streaming = "none" | "request" | "subscription";

/** Every method, and how it streams. */
export const METHODS = {
  initialize: "none",
  ping: "none",
  shutdown: "none",
  "rpc.discover": "none",
  subscribe: "subscription",
  unsubscribe: "none",
  start_llama_server: "request",
  stop_llama_server: "none",
  is_llama_running: "none",
  get_llama_config: "none",
  get_server: "none",
  list_servers: "none",
  restart_server: "request",
  switch_model: "request",
  preview_command: "none",
  ping_server: "none",
  list_engines: "none",
  probe_engine: "none",
  install_engine: "request",
  set_default_engine: "none",
  remove_engine: "none",
  send_message: "request",
  regenerate_message: "request",
  edit_message: "request",
  continue_message: "request",
  delete_message: "none",
  update_message: "none",
  cancel_message: "none",
  count_tokens: "none",
  preview_context: "none",
  resume_session: "request",
  ack: "none",
  create_session: "none",
  list_sessions: "none",
  get_session: "none",
  get_messages: "none",
  update_session: "none",
  delete_session: "none",
  list_deleted_sessions: "none",
  restore_session: "none",
  search_messages: "none",
  export_session: "none",
  import_session: "none",
  get_config: "none",
  set_config: "none",
  reset_config: "none",
  get_config_schema: "none",
  get_logs: "none",
  list_log_sources: "none",
  clear_logs: "none",
  list_models: "none",
  get_model: "none",
  scan_models: "request",
  inspect_model: "none",
  import_model: "request",
  delete_model: "none",
  list_deleted_models: "none",
  restore_model: "none",
  empty_trash: "none",
  search_hub: "none",
  list_hub_files: "none",
  download_model: "request",
  list_downloads: "none",
  pause_download: "none",
  resume_download: "none",
  cancel_download: "none",
  estimate_memory: "none",
  recommend_settings: "none",
  get_resources: "none",
} as const satisfies Record<MethodName, Streaming>;

/** The `status` of a channel's last event. */
export const TERMINAL: ReadonlySet<unknown> = new Set(["done", "error", "cancelled"]);

/** A topic: the method to catch up with, and the default time between two readings (0: there are none). */
export interface TopicRow {
  catchUp: MethodName;
  intervalMs: number;
  /** What its events show; `key` is the path of the thing's id, `removes` says that it is gone. */
  events: Readonly<Record<string, { subject: string; key: readonly string[]; removes: boolean }>>;
}

/** Every topic. Its events are by their `status`. */
export const TOPICS = {
  servers: {
    catchUp: "list_servers",
    intervalMs: 0,
    events: {
      server: { subject: "server", key: ["server", "server_id"], removes: false },
      server_removed: { subject: "server", key: ["server_id"], removes: true },
    },
  },
  resources: {
    catchUp: "get_resources",
    intervalMs: 1000,
    events: {
      resources: { subject: "resources", key: [], removes: false },
    },
  },
  logs: {
    catchUp: "get_logs",
    intervalMs: 0,
    events: {
      logs: { subject: "", key: [], removes: false },
    },
  },
  sessions: {
    catchUp: "list_sessions",
    intervalMs: 0,
    events: {
      session: { subject: "session", key: ["session", "session_id"], removes: false },
      session_deleted: { subject: "session", key: ["session_id"], removes: true },
    },
  },
  models: {
    catchUp: "list_models",
    intervalMs: 2000,
    events: {
      model: { subject: "model", key: ["model", "name"], removes: false },
      model_removed: { subject: "model", key: ["name"], removes: true },
    },
  },
  downloads: {
    catchUp: "list_downloads",
    intervalMs: 0,
    events: {
      download: { subject: "download", key: ["download", "download_id"], removes: false },
    },
  },
  engines: {
    catchUp: "list_engines",
    intervalMs: 0,
    events: {
      engines: { subject: "engines", key: [], removes: false },
    },
  },
} as const satisfies Record<Topic, TopicRow>;

/** Every error a host can see, by the name to switch on. */
export const ERROR_CODES = {
  /** The JSON was not a JSON-RPC 2.0 request. */
  INVALID_REQUEST: -32600,
  /** No method has this name. */
  METHOD_NOT_FOUND: -32601,
  /** A parameter is missing, unknown, of the wrong type or out of its range. `data` may also have: path, session_id. */
  INVALID_PARAMS: -32602,
  /** A defect of the sidecar; the log has the details under `error_id`. `data` may also have: error_id, session_id. */
  INTERNAL_ERROR: -32603,
  /** The line was not one JSON value in UTF-8. */
  PARSE_ERROR: -32700,
  /** The request was cancelled by the host; `partial` is the text so far. `data` may also have: partial, session_id. */
  CANCELLED: -32800,
  /** More requests are running than the sidecar accepts concurrently. `data` may also have: queue_size, session_id. */
  OVERLOADED: -32001,
  /** The result is longer than a line that the host reads, so it was not sent. What was asked for is done. `data` may also have: line_bytes, max_line_bytes, session_id. */
  RESULT_TOO_LONG: -32002,
  /** No server of this id is ready. `data` may also have: session_id. */
  SERVER_NOT_RUNNING: -32010,
  /** A server of this id is starting or running. `data` may also have: session_id. */
  SERVER_ALREADY_RUNNING: -32011,
  /** The requested engine is not on this machine. `data` may also have: session_id. */
  ENGINE_NOT_FOUND: -32012,
  /** The engine did not become ready; `cause` and `log_tail` say why. `data` may also have: cause, exit_code, log_tail, session_id. */
  ENGINE_START_FAILED: -32013,
  /** The engine crashed while it was in use; partial text is kept. `data` may also have: cause, exit_code, log_tail, partial, session_id. */
  ENGINE_CRASHED: -32014,
  /** The engine is alive but did not answer in time. `data` may also have: partial, session_id. */
  ENGINE_UNRESPONSIVE: -32015,
  /** The prompt does not fit the model's context; nothing was cut and nothing was sent. `data` may also have: max_context, input_length, session_id. */
  CONTEXT_TOO_LONG: -32016,
  /** No model has this name, or no model file is at this path. `data` may also have: session_id. */
  MODEL_NOT_FOUND: -32017,
  /** The file is not a usable GGUF model; `reason` says whether it is damaged or something else. `data` may also have: reason, session_id. */
  MODEL_INVALID: -32018,
  /** A running server uses the model. `data` may also have: server_id, session_id. */
  MODEL_IN_USE: -32019,
  /** The file does not belong to the sidecar, so it is not deleted. `data` may also have: session_id. */
  DELETE_NOT_ALLOWED: -32020,
  /** A transfer ended early, or the hub did not answer; received data is kept. `data` may also have: http_status, network_cause, retry_after_seconds, session_id. */
  DOWNLOAD_FAILED: -32021,
  /** The file's hash is not the expected one; the file was not kept. `data` may also have: session_id. */
  CHECKSUM_MISMATCH: -32022,
  /** The disk is full; existing data is intact. `data` may also have: session_id. */
  DISK_FULL: -32023,
  /** The operating system refused access. `data` may also have: session_id. */
  PERMISSION_DENIED: -32024,
  /** The path is not one that this method accepts. `data` may also have: session_id. */
  PATH_NOT_ALLOWED: -32025,
  /** Another program listens on the requested port. `data` may also have: port, session_id. */
  PORT_IN_USE: -32026,
  /** No session or message has this id. `data` may also have: session_id. */
  SESSION_NOT_FOUND: -32027,
  /** Too many messages are queued for this server. `data` may also have: queue_size, session_id. */
  QUEUE_FULL: -32028,
  /** Another sidecar uses the data folder; `address` is where it serves pages, if it does. `data` may also have: data_dir, pid, address, session_id. */
  DATA_DIR_LOCKED: -32029,
  /** The database or a file of ours could not be read or written. `data` may also have: session_id. */
  STORAGE_ERROR: -32030,
  /** This engine, model or build does not support the request; `path` names the parameter, where there is one. `data` may also have: path, session_id. */
  NOT_SUPPORTED: -32031,
  /** No download has this id. `data` may also have: session_id. */
  DOWNLOAD_NOT_FOUND: -32040,
  /** The repository is private or gated, and the hub denies this user access. `data` may also have: repo, gated, session_id. */
  HUB_ACCESS_DENIED: -32041,
  /** Downloads from this address are not allowed: it is not https, or is inside this machine or network. `data` may also have: session_id. */
  ADDRESS_NOT_ALLOWED: -32042,
  /** A running server uses the build. `data` may also have: server_id, session_id. */
  ENGINE_IN_USE: -32043,
  /** The archive is damaged, has no llama.cpp build for this machine, or has unexpected entries; nothing is kept. `data` may also have: session_id. */
  ARCHIVE_INVALID: -32044,
} as const;

/** The stable name of an error. */
export type ErrorName = keyof typeof ERROR_CODES;
