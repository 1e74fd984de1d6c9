/** The client's public surface, for Node and browsers alike. Transports are imported from `./transports/`. */

export { createClient } from "./client.js";
export type {
  CallOptions,
  Client,
  ClientMethods,
  ClientOptions,
  EventOf,
  ParamsOf,
  ResultOf,
  StreamingMethodName,
} from "./client.js";
export { CONTRACT_HASH, CONTRACT_VERSION, ERROR_CODES, METHODS, TERMINAL, TOPICS } from "./contract.js";
export type { ErrorName, Streaming, TopicRow } from "./contract.js";
export { ConnectionClosedError, NotAdmittedError, remediesIn, SidecarError } from "./errors.js";
export type { EventStream } from "./event_stream.js";
export { keepConnected } from "./link.js";
export type { Link, LinkOptions, LinkState } from "./link.js";
export type { Transport } from "./transports/transport.js";
export type * from "./types.js";
