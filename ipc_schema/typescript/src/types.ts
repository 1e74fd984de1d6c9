// Generated from sidecar/contract by build/schema/generate.py. Do not edit.

/** Types of the KV cache, in llama.cpp's names. */
export type CacheType = "f32" | "f16" | "bf16" | "q8_0" | "q4_0" | "q4_1" | "iq4_nl" | "q5_0" | "q5_1";

export type Capability = "chat" | "tools" | "reasoning" | "vision" | "audio" | "embeddings" | "reranking";

/** Why an engine did not start or did not stay, decided from its exit code and the end of its log. */
export type Cause =
  | "OUT_OF_MEMORY"
  | "MODEL_CORRUPT"
  | "MODEL_NOT_SUPPORTED"
  | "BAD_FLAG"
  | "MISSING_LIBRARY"
  | "PORT_IN_USE"
  | "PERMISSION_DENIED"
  | "KILLED"
  | "TIMEOUT"
  | "GPU_NOT_USED"
  | "UNKNOWN";

/** A part of a message, as in OpenAI's API. */
export type ContentPart = TextPart | ImagePart | AudioPart;

/**
 * What happens when a conversation outgrows the model's context. `error`: CONTEXT_TOO_LONG, nothing is sent.
 * `drop_oldest`: the oldest exchanges are left out. `keep_ends`: the first exchange stays, those after it are left
 * out. The system prompt and the new message are never dropped, and the response always says what was.
 */
export type ContextPolicy = "error" | "drop_oldest" | "keep_ends";

export type DownloadState =
  | "queued"
  | "checking"
  | "downloading"
  | "verifying"
  | "paused"
  | "done"
  | "failed"
  | "cancelled";

/**
 * `llama-server`: llama.cpp's own program. `embedded`: the same server from a wheel, no compiler needed.
 * `llama-cpp-python`: that project's `llama_cpp.server`.
 */
export type EngineName = "llama-server" | "embedded" | "llama-cpp-python";

export type EngineOrigin = "config" | "managed" | "path" | "package";

export type Fit = "gpu" | "memory" | "no";

/** Other programs whose models are found where they lie. */
export type ForeignOrigin = "huggingface" | "lm_studio" | "ollama" | "jan" | "llama_cpp";

/** Why a model is not on the GPU: decided from the engine's own log, its build and what the machine has. */
export type GpuCause =
  | "NO_GPU_BACKEND"
  | "NO_DRIVER"
  | "DRIVER_TOO_OLD"
  | "DRIVER_FAILING"
  | "DEVICE_NOT_VISIBLE"
  | "NO_GPU"
  | "TOO_LITTLE_MEMORY"
  | "NOT_WANTED"
  | "UNKNOWN";

/** How grave a line is, least first. */
export type Level = "debug" | "info" | "warning" | "error";

/** What is said: text, or content parts. */
export type MessageContent = string | ContentPart[];

export type ModelOrigin = "own" | "folder" | "huggingface" | "lm_studio" | "ollama" | "jan" | "llama_cpp";

/**
 * What a remedy is where it is no method. `retry`: the same request again. `change_params`: the same request with other
 * values of the parameters in `names`. `open_settings`: another value of the setting `key`, such as models.default.
 * `install_extra`: the optional part `extra` of the llama-sidecar package.
 */
export type RemedyWord = "retry" | "change_params" | "open_settings" | "install_extra";

/**
 * How far a server is. `stopped` and `failed` are its ends. One whose engine has crashed goes through `stopping` and
 * `queued` (the pause before the next start) to `ready` once more. One that is `sleeping` has no engine and takes no
 * memory; the next message for it starts its engine again, and waits for that.
 */
export type ServerState =
  | "queued"
  | "planning"
  | "starting"
  | "loading"
  | "warming"
  | "ready"
  | "sleeping"
  | "stopping"
  | "stopped"
  | "failed";

export type Topic = "servers" | "resources" | "logs" | "sessions" | "models" | "downloads" | "engines";

/** The managed builds. */
export interface ManagedEngines {
  /** The one that a start takes. */
  default: string | null;
  /** All of them, the default first, then the last good ones. */
  engines: EngineInfo[];
}

/**
 * Install a llama.cpp build from a release archive (.zip, .tar.gz or .tar.xz); answered when it has proved itself.
 *
 * Give `url`, or `path`. The archive is checked and unpacked beside the other builds, and has to generate one token
 * with a tiny model that the sidecar makes for that; only then it is there. A build that can not is not kept, and the
 * default stays. Cancelling leaves nothing but what has come of a download, with which the same request goes on.
 */
export interface InstallEngineParams {
  /** https address of the archive. `sha256` has to be given with it. */
  url?: string | null | undefined;
  /** Absolute path of the archive on this machine. */
  path?: string | null | undefined;
  /** What the archive must be, as GitHub shows it beside each file of a release. */
  sha256?: string | null | undefined;
  /** What to call the build. Default: as the archive is called. */
  name?: string | null | undefined;
  /** Whether starts take it where no engine is named. Default true. */
  make_default?: boolean | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
}

/** It waits for another installation to end. */
export interface InstallQueued {
  status: "queued";
}

/** How far the archive is. */
export interface InstallDownloading {
  status: "downloading";
  received_bytes: number;
  total_bytes: number | null;
  bytes_per_second: number | null;
  eta_seconds: number | null;
  /** Why nothing comes at the moment, while it keeps trying. */
  waiting: string | null;
}

/** All of the archive is here, and is read for its hash. */
export interface InstallVerifying {
  status: "verifying";
  done_bytes: number;
  total_bytes: number;
}

/** The archive is being unpacked. */
export interface InstallUnpacking {
  status: "unpacking";
  /** 0 to 1. */
  progress: number;
}

/** The build is to generate a token. */
export interface InstallProving {
  status: "proving";
}

/** It is there; the members are the response's. */
export interface InstallDone extends EngineInfo {
  status: "done";
}

/** Let starts that name no engine take another managed build, once it has generated a token, or none of them. */
export interface SetDefaultEngineParams {
  /** As in list_engines. Default: none. */
  name?: string | null | undefined;
}

/** Remove a managed build. Where it was the default, the last one that was good is it then. */
export interface RemoveEngineParams {
  /** As in list_engines. */
  name: string;
}

/** What a tool gave back. */
export interface ToolResult {
  /** `id` of the tool call it answers. */
  tool_call_id: string;
  content: string;
}

/**
 * Say something in a session and get the answer, streamed where `channel` is given.
 *
 * Messages to one session are answered in the order they came. The user's message is kept before the first
 * event that comes from the engine is sent, the answer before `done`.
 */
export interface SendMessageParams {
  /** 0 always takes the likeliest token. */
  temperature?: number | null | undefined;
  /** Nucleus sampling; 1 switches it off. */
  top_p?: number | null | undefined;
  /** Likeliest tokens to choose from; 0 is all. */
  top_k?: number | null | undefined;
  /** Least probability, relative to the likeliest token's. */
  min_p?: number | null | undefined;
  /** Longest answer. Default: until the model ends or the context is full. */
  max_tokens?: number | null | undefined;
  /** 1 switches it off. */
  repeat_penalty?: number | null | undefined;
  /** -1 is a new one each time. */
  seed?: number | null | undefined;
  /** Texts that end the answer. */
  stop?: string[] | string | null | undefined;
  /** Default: the session's, else "default", else the only one running. */
  server_id?: string | null | undefined;
  /** Functions the model may call, in OpenAI's form. */
  tools?: Record<string, unknown>[] | null | undefined;
  /** As OpenAI's tool_choice. */
  tool_choice?: "auto" | "none" | "required" | Record<string, unknown> | null | undefined;
  /** As OpenAI's response_format: a JSON schema the answer must follow. */
  response_format?: Record<string, unknown> | null | undefined;
  /** Whether a model that can think may. Default: the model's own way. */
  reasoning?: boolean | null | undefined;
  /** Name in the config's `chat_presets`; parameters given here win over it. */
  preset?: string | null | undefined;
  /** Default: the session's, else the config's. */
  context_policy?: ContextPolicy | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
  /** Text or content parts. The one-string form <|system|>…<|end|><|user|>…<|end|> is understood. */
  message: MessageContent;
  /** Left out, or a UUID not seen yet: a new session is made. */
  session_id?: string | null | undefined;
  /** System prompt; kept as the session's from now on. */
  system?: string | null | undefined;
  /** Images for a vision model: data: URLs, bare base64, or absolute paths of image files. */
  images?: string[] | null | undefined;
  /** Answers to the model's tool calls, in place of a message: leave `message` empty then. */
  tool_results?: ToolResult[] | null | undefined;
  /** A text with {message} in it, in whose place the message is put. */
  template?: string | null | undefined;
}

/** Accepted; so many messages are before it. */
export interface TurnQueued {
  status: "queued";
  position: number;
}

/** The server has slept, or its engine has crashed: an engine is being started for the message. */
export interface TurnLoading {
  status: "loading";
  /** What is being loaded, such as text_model or mmproj_model. */
  stage: string;
  /** 0 to 1 over all stages; null where the engine does not tell. */
  progress: number | null;
}

/** The prompt is being computed. */
export interface TurnPrefill {
  status: "prefill";
  processed: number;
  total: number;
  cached: number;
}

/** The model thinks. */
export interface TurnReasoning {
  status: "reasoning";
  reasoning: string;
}

/** The answer goes on. */
export interface TurnToken {
  status: "token";
  chunk: string;
}

/** The model wants a function called; complete. */
export interface TurnToolCall {
  status: "tool_call";
  tool_call: ToolCall;
}

/** What became of the context. Nothing is ever left out without being counted here. */
export interface ContextUse {
  policy: ContextPolicy;
  /** Tokens that prompt and answer may use together. */
  max_context: number;
  /** Tokens of prompt and answer. */
  used: number;
  /** Messages of the branch that were not sent to the model. */
  dropped_messages: number;
  /** Whether older messages were replaced by a summary. */
  summarised: boolean;
}

/** Complete and kept; the members are the response's. */
export interface TurnDone extends TurnResult {
  status: "done";
}

/** The answer. */
export interface TurnResult {
  session_id: string;
  /** Id of the answer. */
  message_id: string;
  /** Id of the message that it answers. */
  user_message_id: string | null;
  content: string;
  reasoning?: string;
  tool_calls?: ToolCall[];
  /** stop, length (max_tokens reached or the context is full), or tool_calls. */
  finish_reason: string;
  usage: Usage;
  timings: Timings;
  context: ContextUse;
}

/** Answer again. The old answer stays as a sibling branch. */
export interface RegenerateMessageParams {
  /** 0 always takes the likeliest token. */
  temperature?: number | null | undefined;
  /** Nucleus sampling; 1 switches it off. */
  top_p?: number | null | undefined;
  /** Likeliest tokens to choose from; 0 is all. */
  top_k?: number | null | undefined;
  /** Least probability, relative to the likeliest token's. */
  min_p?: number | null | undefined;
  /** Longest answer. Default: until the model ends or the context is full. */
  max_tokens?: number | null | undefined;
  /** 1 switches it off. */
  repeat_penalty?: number | null | undefined;
  /** -1 is a new one each time. */
  seed?: number | null | undefined;
  /** Texts that end the answer. */
  stop?: string[] | string | null | undefined;
  /** Default: the session's, else "default", else the only one running. */
  server_id?: string | null | undefined;
  /** Functions the model may call, in OpenAI's form. */
  tools?: Record<string, unknown>[] | null | undefined;
  /** As OpenAI's tool_choice. */
  tool_choice?: "auto" | "none" | "required" | Record<string, unknown> | null | undefined;
  /** As OpenAI's response_format: a JSON schema the answer must follow. */
  response_format?: Record<string, unknown> | null | undefined;
  /** Whether a model that can think may. Default: the model's own way. */
  reasoning?: boolean | null | undefined;
  /** Name in the config's `chat_presets`; parameters given here win over it. */
  preset?: string | null | undefined;
  /** Default: the session's, else the config's. */
  context_policy?: ContextPolicy | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
  session_id: string;
  /** The answer to make again. Default: the last one. */
  message_id?: string | null | undefined;
}

/** Replace a user message and answer it. The old message and all after it stay as a sibling branch. */
export interface EditMessageParams {
  /** 0 always takes the likeliest token. */
  temperature?: number | null | undefined;
  /** Nucleus sampling; 1 switches it off. */
  top_p?: number | null | undefined;
  /** Likeliest tokens to choose from; 0 is all. */
  top_k?: number | null | undefined;
  /** Least probability, relative to the likeliest token's. */
  min_p?: number | null | undefined;
  /** Longest answer. Default: until the model ends or the context is full. */
  max_tokens?: number | null | undefined;
  /** 1 switches it off. */
  repeat_penalty?: number | null | undefined;
  /** -1 is a new one each time. */
  seed?: number | null | undefined;
  /** Texts that end the answer. */
  stop?: string[] | string | null | undefined;
  /** Default: the session's, else "default", else the only one running. */
  server_id?: string | null | undefined;
  /** Functions the model may call, in OpenAI's form. */
  tools?: Record<string, unknown>[] | null | undefined;
  /** As OpenAI's tool_choice. */
  tool_choice?: "auto" | "none" | "required" | Record<string, unknown> | null | undefined;
  /** As OpenAI's response_format: a JSON schema the answer must follow. */
  response_format?: Record<string, unknown> | null | undefined;
  /** Whether a model that can think may. Default: the model's own way. */
  reasoning?: boolean | null | undefined;
  /** Name in the config's `chat_presets`; parameters given here win over it. */
  preset?: string | null | undefined;
  /** Default: the session's, else the config's. */
  context_policy?: ContextPolicy | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
  session_id: string;
  /** The user message to replace. */
  message_id: string;
  message: MessageContent;
  /** As in send_message. */
  images?: string[] | null | undefined;
}

/** Stop the answer of a session; answered when the engine works on it no longer. */
export interface CancelMessageParams {
  session_id: string;
}

/** What was stopped. */
export interface CancelMessageResult {
  /** Answers stopped: the running one and those waiting behind it. */
  cancelled: number;
  /** Whether the engine was seen idle again; null where it does not tell. */
  engine_idle: boolean | null;
}

/** Exact tokens of a text, or of a conversation with the model's template around it. */
export interface CountTokensParams {
  /** Plain text, without a template. */
  text?: string | null | undefined;
  /** The branch in use of this session, as it would be sent. */
  session_id?: string | null | undefined;
  /** A further user message after it. */
  message?: MessageContent | null | undefined;
  server_id?: string | null | undefined;
}

/** Tokens. */
export interface CountTokensResult {
  tokens: number;
  max_context: number;
}

/** What send_message would send, leave out, and why. Nothing is sent to the model or kept. */
export interface PreviewContextParams {
  session_id: string;
  message: MessageContent;
  server_id?: string | null | undefined;
  context_policy?: ContextPolicy | null | undefined;
  /** As in send_message. */
  max_tokens?: number | null | undefined;
}

/** A message that would be left out. */
export interface DroppedMessage {
  message_id: string;
  role: string;
  reason: string;
}

/** The plan for a message. */
export interface PreviewContextResult {
  policy: ContextPolicy;
  /** Whether it would be sent; false is CONTEXT_TOO_LONG. */
  fits: boolean;
  max_context: number;
  /** Tokens of what would be sent; of everything where it does not fit. */
  input_length: number;
  /** Tokens kept free for the answer when messages are left out. */
  reserved: number;
  /** Ids of the messages that would be sent, oldest first. */
  sent_messages: string[];
  dropped: DroppedMessage[];
}

/**
 * Follow the running or last answer of a session again, after a reload, a lost connection or a restart.
 *
 * The events after `after_seq` are sent once more on `channel` under their old `seq`, then the new ones as they
 * come. Answered as the send_message that it follows.
 */
export interface ResumeSessionParams {
  session_id: string;
  /** The last `seq` the host has. Default 0: everything. */
  after_seq?: number | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
}

/** Say that the events of a session's last answer have arrived, so that they need not be kept for resume_session. */
export interface AckParams {
  session_id: string;
  /** The last one. Default: all of them, once the answer has ended. */
  seq?: number | null | undefined;
}

/** How many events are still kept. */
export interface AckResult {
  kept_events: number;
}

/** The whole config, defaults filled in. */
export type GetConfigParams = Record<string, never>;

/** Which engine to use. */
export interface EnginesConfig {
  /** Folder of a llama.cpp build to prefer. */
  llama_cpp_path?: string | null | undefined;
  /** Engine to use where none is named. */
  preferred?: EngineName | null | undefined;
  /** Python program that has llama-cpp-python, where the sidecar's own does not. */
  python?: string | null | undefined;
  /** Longest start of an engine without any sign of progress. One that only writes to its log is given up after five times as long. */
  start_timeout_seconds?: number | undefined;
  /** How long a ready engine may be silent when it is asked before it is ended and started again. */
  health_timeout_seconds?: number | undefined;
  /** How often an engine that crashes is started again by itself within three minutes of being ready, before its server has failed; 0 for never. There are five starts in that time at most, the first one included. */
  max_restarts?: number | undefined;
  /** How long nobody may have asked a server before its engine is ended and its memory is free; the next message starts it again. Servers on a port of their own are left alone. null: never. */
  idle_unload_minutes?: number | null | undefined;
  /** How many servers may have their model loaded; a start beyond that puts the one to sleep that has not been asked for longest, and waits where all are answering. null: as many as there is memory for. */
  max_loaded?: number | null | undefined;
  /** Put servers that nobody is asking to sleep where a start would not fit beside them, those not asked for longest first. */
  make_room?: boolean | undefined;
  /** How long an engine may take to end before it is killed. */
  stop_grace_seconds?: number | undefined;
}

/** Where models are. */
export interface ModelsConfig {
  /** Folders to list beside the sidecar's own; never written to. */
  folders?: string[] | undefined;
  /** Model to start where none is named. */
  default?: string | null | undefined;
  /** Other programs whose models are listed, where they lie; [] for none. Default: all. They are never written to. */
  sources?: ForeignOrigin[] | null | undefined;
  /** How long a deleted model can be brought back; its room is taken till then. */
  deleted_retention_days?: number | undefined;
}

/** How models are fetched. A change counts at once, for downloads under way, too. */
export interface DownloadsConfig {
  /** Of all downloads together. Default: as fast as it goes. */
  max_bytes_per_second?: number | null | undefined;
  /** Downloads under way; the others wait in their order. */
  at_once?: number | undefined;
  /** Parts of a file that are fetched side by side. */
  connections?: number | undefined;
  /** Whether downloads that a restart has interrupted go on by themselves, once a host has called initialize. */
  resume_at_start?: boolean | undefined;
  /** How long a download that gets nothing keeps trying before it has failed. */
  retry_seconds?: number | undefined;
  /** A mirror of Hugging Face. Default: HF_ENDPOINT, else https://huggingface.co. */
  hub_endpoint?: string | null | undefined;
  /** Also fetch from this machine and the local network, and from there without TLS. */
  allow_private_addresses?: boolean | undefined;
}

/** Start settings where none are given. */
export interface ServerDefaults {
  ctx_size?: number | undefined;
  parallel?: number | undefined;
  n_gpu_layers?: number | undefined;
  /** CPU threads; fewer than cores where others need them, too. Default: the engine's choice. */
  threads?: number | null | undefined;
}

/** Chat settings where neither message nor session has them. */
export interface ChatConfig {
  /** 0 always takes the likeliest token. */
  temperature?: number | null | undefined;
  /** Nucleus sampling; 1 switches it off. */
  top_p?: number | null | undefined;
  /** Likeliest tokens to choose from; 0 is all. */
  top_k?: number | null | undefined;
  /** Least probability, relative to the likeliest token's. */
  min_p?: number | null | undefined;
  /** Longest answer. Default: until the model ends or the context is full. */
  max_tokens?: number | null | undefined;
  /** 1 switches it off. */
  repeat_penalty?: number | null | undefined;
  /** -1 is a new one each time. */
  seed?: number | null | undefined;
  /** Texts that end the answer. */
  stop?: string[] | string | null | undefined;
  /** System prompt of new sessions. */
  system?: string | null | undefined;
  context_policy?: ContextPolicy | undefined;
  /** Messages that may wait for one server before QUEUE_FULL. */
  max_queue?: number | undefined;
}

/** History. */
export interface StorageConfig {
  /** How long a deleted session can be brought back. */
  deleted_retention_days?: number | undefined;
  /** Encrypt what is said: messages, reasoning, tool calls, titles, system prompts and settings of sessions (AES-256-GCM, each for itself), with a key that the system's keyring keeps. Needs a keyring and pip install 'llama-sidecar[encrypt]'; without them set_config refuses, and a history that is encrypted can neither be read nor added to. It protects a stolen disk and copies of the data folder. It does not protect from programs that run as the same user: they can ask the keyring, too. Ids, times, lengths, token counts, roles and names of models and servers stay readable, and this config file, with chat.system and chat_presets, is not encrypted. search_messages is off. Whoever loses the key loses the history: a backup needs the keyring as well. A change takes effect at once and rewrites the whole history before set_config is answered; plain text is overwritten in history.db, but older copies of it are yours to remove, and an SSD may keep what was overwritten for a while. null: as the history is, so a lost config decrypts nothing; a new one is not encrypted. */
  encrypt?: boolean | null | undefined;
}

/** Logs. */
export interface LogsConfig {
  /** Lowest level kept. */
  level?: Level | undefined;
  /** Size at which a log file is turned over. */
  max_file_bytes?: number | undefined;
  /** Older files kept of each source. */
  kept_files?: number | undefined;
}

/** A named set of chat settings. */
export interface ChatPreset {
  /** 0 always takes the likeliest token. */
  temperature?: number | null | undefined;
  /** Nucleus sampling; 1 switches it off. */
  top_p?: number | null | undefined;
  /** Likeliest tokens to choose from; 0 is all. */
  top_k?: number | null | undefined;
  /** Least probability, relative to the likeliest token's. */
  min_p?: number | null | undefined;
  /** Longest answer. Default: until the model ends or the context is full. */
  max_tokens?: number | null | undefined;
  /** 1 switches it off. */
  repeat_penalty?: number | null | undefined;
  /** -1 is a new one each time. */
  seed?: number | null | undefined;
  /** Texts that end the answer. */
  stop?: string[] | string | null | undefined;
  system?: string | null | undefined;
  context_policy?: ContextPolicy | null | undefined;
}

/** The whole config. */
export interface Config {
  engines?: EnginesConfig | undefined;
  models?: ModelsConfig | undefined;
  downloads?: DownloadsConfig | undefined;
  server_defaults?: ServerDefaults | undefined;
  chat?: ChatConfig | undefined;
  storage?: StorageConfig | undefined;
  logs?: LogsConfig | undefined;
  /** Named start settings, for `preset` of start_llama_server. */
  server_presets?: Record<string, ServerSettings> | undefined;
  /** Named chat settings, for `preset` of send_message. */
  chat_presets?: Record<string, ChatPreset> | undefined;
}

/**
 * Change settings by a JSON merge patch (RFC 7396): what is left out stays, `null` goes back to the default.
 *
 * The file is replaced as a whole or not at all. Running servers keep the settings they were started with.
 * `storage.encrypt` rewrites the history before this is answered.
 */
export interface SetConfigParams {
  patch: Record<string, unknown>;
}

/** Go back to the defaults. */
export interface ResetConfigParams {
  /** Dotted keys such as "chat.temperature". Default: everything. */
  keys?: string[] | null | undefined;
}

/** The JSON Schema of the config, with descriptions and defaults. */
export type GetConfigSchemaParams = Record<string, never>;

/** A file of a download. */
export interface DownloadFile {
  /** In its folder. */
  name: string;
  /** Null where the server does not tell. */
  size_bytes: number | null;
  received_bytes: number;
  /** What the hub says it must be, or what it turned out to be; in hexadecimal. */
  sha256: string | null;
}

/** A download, at rest or under way. */
export interface Download {
  download_id: string;
  state: DownloadState;
  /** On the hub. */
  repo: string | null;
  /** The commit, once it is known. */
  revision: string | null;
  /** Of a file that is on no hub, without what follows a question mark. */
  url: string | null;
  /** Where the files will be. */
  folder: string;
  /** Empty until the hub has been asked. */
  files: DownloadFile[];
  /** What is here already, kept over restarts. */
  received_bytes: number;
  total_bytes: number | null;
  /** Smoothed over some seconds; null at rest. */
  bytes_per_second: number | null;
  eta_seconds: number | null;
  /** Why nothing comes at the moment, in words, while it keeps trying. */
  waiting: string | null;
  /** How much of it has been read again for its hash. */
  verified_bytes: number;
  /** Paused by a restart, and going on by itself once a host has introduced itself. */
  goes_on: boolean;
  /** Why it has failed; resume_download tries again. */
  error: WireError | null;
  /** The model's file, or the first of them; once it is done. */
  model_path: string | null;
  created_at: number;
  finished_at: number | null;
}

/**
 * Fetch a model into the library; answered when it is whole, checked and in its place.
 *
 * Give `repo`, or `url`. A split model and its projector are one download. What has come survives everything: a
 * download goes on where it was after a lost connection, a restart of the sidecar or the end of its host. Its files
 * are nobody's model until the last of them is there and right.
 *
 * Asked for again, a download that is there already is followed, and one that has failed or was paused goes on.
 * Cancelling the request pauses the download; cancel_download gives it up.
 */
export interface DownloadModelParams {
  /** `owner/name`, also with a quantisation (`owner/name:Q4_K_M`), or the address of its page. */
  repo?: string | null | undefined;
  /** The address of a repository's page, of a file in it, or https of any GGUF file. */
  url?: string | null | undefined;
  /** A file of the repository, or a quantisation such as Q5_K_M. Default: Q4_K_M, else the nearest. */
  file?: string | null | undefined;
  /** Branch, tag or commit of the repository. Default: main, as it is at the start. */
  revision?: string | null | undefined;
  /** Absolute path of a folder. Default: a folder of its own in the sidecar's models folder. */
  target_dir?: string | null | undefined;
  /** Where to send its progress, four times a second at most. */
  channel?: string | null | undefined;
}

/** It waits for others to end. */
export interface DownloadQueued {
  status: "queued";
  download_id: string;
}

/** The hub is asked what there is, and the disk whether there is room for it. */
export interface DownloadChecking {
  status: "checking";
  download_id: string;
}

/** How far it is. */
export interface DownloadProgress {
  status: "downloading";
  download_id: string;
  received_bytes: number;
  total_bytes: number | null;
  bytes_per_second: number | null;
  eta_seconds: number | null;
  waiting: string | null;
}

/** All is here, and is read again for its hash as far as that has not been done on the way. */
export interface DownloadVerifying {
  status: "verifying";
  download_id: string;
  verified_bytes: number;
  total_bytes: number | null;
}

/** It rests until resume_download, and the channel stays open. */
export interface DownloadPaused {
  status: "paused";
  download_id: string;
  received_bytes: number;
  total_bytes: number | null;
}

/** In its place; the members are the response's. */
export interface DownloadDone extends Download {
  status: "done";
}

/** Downloads that are not done, and those that ended since the sidecar started; the oldest first. */
export type ListDownloadsParams = Record<string, never>;

/** Let a download rest; what has come is kept. Answered when nothing is fetched any more. */
export interface PauseDownloadParams {
  /** As in list_downloads. */
  download_id: string;
}

/** Let a download go on that was paused or has failed; answered at once. */
export interface ResumeDownloadParams {
  /** As in list_downloads. */
  download_id: string;
}

/** Give a download up: what has come of it is removed. What is done stays. */
export interface CancelDownloadParams {
  /** As in list_downloads. */
  download_id: string;
}

/** A device that the build can use. */
export interface EngineDevice {
  /** The engine's name for it, such as CUDA0. */
  name: string;
  description: string;
  total_bytes: number | null;
  free_bytes: number | null;
}

/** What a build said of itself when it generated a token, with a tiny model that the sidecar makes for that. */
export interface EngineProof {
  /** Unix seconds. */
  proved_at: number;
  version: string;
  /** Kinds of device that it can use, such as CPU, CUDA, Vulkan. */
  backends: string[];
  devices: EngineDevice[];
  /** Layers that it has put on a GPU, where it says so. */
  gpu_layers: number | null;
  /** Layers of the tiny model, where it says so. */
  total_layers: number | null;
  /** From the start of its process until it was ready. */
  load_ms: number;
  /** From the question to the end of the answer of one token. */
  token_ms: number;
}

/** An engine that can be used, or why it can not. */
export interface EngineInfo {
  engine: EngineName;
  available: boolean;
  /** The program or module that would run. */
  path: string | null;
  version: string | null;
  /** Where it was found: the config's llama_cpp_path, a build of install_engine, PATH, or a Python package. */
  origin: EngineOrigin;
  /** In words: found, or what is missing and how to get it. */
  message: string;
  /** Of a managed build: for engine_build, set_default_engine and remove_engine. */
  name: string | null;
  /** Whether it is the managed build that a start takes. */
  default: boolean;
  /** Of a managed build, Unix seconds. */
  installed_at: number | null;
  /** Of a managed build: the last time that it was proved. */
  proof: EngineProof | null;
  /** Why a managed build can not be used, or was given up for another one. */
  problem: string | null;
}

/** The engines of this machine, best first; each build that install_engine has brought is one of them. */
export type ListEnginesParams = Record<string, never>;

/** Ask a llama.cpp folder what it can do. */
export interface ProbeEngineParams {
  /** Folder of a llama.cpp build. */
  llama_cpp_path: string;
  /** Also let it generate a token, with a tiny model made for that. Default false. */
  prove?: boolean | null | undefined;
}

/** What a build is. */
export interface ProbeEngineResult {
  /** The llama-server program. */
  path: string;
  version: string;
  /** Kinds of device, such as CPU, CUDA, Vulkan. */
  backends: string[];
  devices: EngineDevice[];
  /** Every long flag that it takes. */
  flags: string[];
  /** Whether it can listen on a UNIX socket. */
  unix_socket: boolean;
  /** Null where it was not asked for. */
  proof: EngineProof | null;
}

/**
 * Models on the hub that have GGUF files, the most downloaded first.
 *
 * The hub is Hugging Face, or the mirror that the config's `downloads.hub_endpoint` or HF_ENDPOINT names.
 */
export interface SearchHubParams {
  /** Words of the name; empty for the most downloaded of all. */
  query: string;
  /** How many at most. Default 20. */
  limit?: number | null | undefined;
}

/** A repository on the hub. */
export interface HubModel {
  /** What `repo` of list_hub_files and download_model takes. */
  repo: string;
  /** In the last month. */
  downloads: number | null;
  likes: number | null;
  /** Whether its owner has to let you in, or a licence has to be accepted. */
  gated: boolean;
  updated_at: number | null;
  tags: string[];
}

/** The models in a repository of the hub: each quantisation with its size, and whether it fits this machine. */
export interface ListHubFilesParams {
  /** `owner/name`, or the address of its page; a quantisation after a colon. */
  repo: string;
  /** Branch, tag or commit. Default: main. */
  revision?: string | null | undefined;
}

/** A file in a repository. */
export interface HubFile {
  /** In the repository; what `file` of download_model takes. */
  path: string;
  size_bytes: number | null;
  /** Of the whole file, in hexadecimal. */
  sha256: string | null;
}

/** One quantisation of a model, whole: all files of a split one. */
export interface HubVariant {
  /** File name of the first file, without its ending. */
  name: string;
  /** Such as Q4_K_M, by the file's name. */
  quantization: string | null;
  /** In their order. */
  files: HubFile[];
  /** All files together. */
  size_bytes: number | null;
  /** By its size alone, against what is free now: `gpu` into the memory of the GPUs, `memory` into the machine's, `no` into neither. Null where the size is not known. */
  fits: Fit | null;
  /** What download_model takes where no file and no quantisation is named. */
  default: boolean;
}

/** What a repository has. */
export interface ListHubFilesResult {
  /** As the hub writes it. */
  repo: string;
  /** The commit; give it to download_model to get just this. */
  revision: string;
  gated: boolean;
  licence: string | null;
  /** Smallest first. */
  variants: HubVariant[];
  /** For images; download_model fetches the best along. */
  projectors: HubFile[];
}

/** Who the host is; written to the log. */
export interface ClientInfo {
  name: string;
  version?: string | undefined;
}

/** Introduce the host and learn what this sidecar is. Optional: a simple host may go straight to work. */
export interface InitializeParams {
  /** Name and version of the host. */
  client?: ClientInfo | null | undefined;
  /** The contract the host was written for, like "1" or "1.1". Another major is refused. */
  contract_version?: string | number | null | undefined;
  /** Process id of the host: the sidecar stops when this process ends. */
  host_pid?: number | null | undefined;
}

/** Name and version of this sidecar. */
export interface ServerIdentity {
  name: string;
  version: string;
}

/** What this sidecar serves. */
export interface Capabilities {
  /** Every method that can be called. */
  methods: string[];
  /** Every topic that can be subscribed to. */
  topics: string[];
  /** The longest line that is read, without its LF. */
  max_line_bytes: number;
}

/** Something that the person in front of the host should know. */
export interface Notice {
  /** Stable name, such as CONFIG_BROKEN. */
  name: string;
  /** What happened and why. */
  message: string;
  /** What to do next, in a sentence for people. */
  hint: string;
  /** What a host can do or offer. */
  remedies: Remedy[];
}

/** The handshake's answer. */
export interface InitializeResult {
  server: ServerIdentity;
  contract_version: string;
  /** SHA-256 of the OpenRPC document; equal hashes mean equal contracts. */
  contract_hash: string;
  /** Process id of the sidecar. */
  pid: number;
  /** Folder of models, history, config and logs. */
  data_dir: string;
  capabilities: Capabilities;
  /** Things set right at start, such as a broken config file put aside. */
  notices: Notice[];
}

/** Answer immediately: the connection lives. */
export type PingParams = Record<string, never>;

/** Stop every engine and owned process, flush, answer, exit 0. At most 5 s. */
export type ShutdownParams = Record<string, never>;

/** The contract as an OpenRPC document. */
export type DiscoverParams = Record<string, never>;

/** How much of a topic to send. */
export interface SubscribeOptions {
  /** Time between two readings of a topic that is read periodically; by default 1000 for resources, 2000 for models. */
  interval_ms?: number | null | undefined;
  /** logs: one source, as in list_log_sources. Default: all. */
  source?: string | null | undefined;
  /** logs: the lowest level to send. Default: info. */
  min_level?: Level | null | undefined;
}

/**
 * Receive the events of topics on a channel, beginning with the present state.
 *
 * The channel outlives this request: it ends with `done`, written before the response to `unsubscribe`.
 * For a host that reads slowly, the oldest log and resource events are left out and counted in `dropped`.
 */
export interface SubscribeParams {
  topics: Topic[];
  channel: string;
  options?: SubscribeOptions | null | undefined;
}

/** A live subscription. */
export interface SubscribeResult {
  channel: string;
  topics: Topic[];
}

/** End a subscription; its channel ends with `done` before this is answered. */
export interface UnsubscribeParams {
  channel: string;
}

/** Whether there was such a subscription. */
export interface UnsubscribeResult {
  channel: string;
  found: boolean;
}

/** One line. */
export interface LogEntry {
  /** Counts over all sources, never goes back. */
  seq: number;
  /** When it was taken in, Unix seconds. */
  at: number;
  /** "sidecar", or "server:" and a server_id. */
  source: string;
  level: Level;
  /** Control characters are escaped. */
  message: string;
}

/** The latest lines that are still held in memory, oldest first. */
export interface GetLogsParams {
  /** Default: all. */
  source?: string | null | undefined;
  /** Only lines with a greater `seq`. */
  since?: number | null | undefined;
  /** At most so many, the newest. Default 500. */
  limit?: number | null | undefined;
  /** Default debug: everything that is kept. */
  min_level?: Level | null | undefined;
}

/** Lines, and where to go on. */
export interface GetLogsResult {
  entries: LogEntry[];
  /** Give it as `since` next time. */
  last_seq: number;
  /** Whether every line after `since` is still in memory; the files have the others. */
  complete: boolean;
}

/** Who has logged. */
export type ListLogSourcesParams = Record<string, never>;

/** A source. */
export interface LogSource {
  source: string;
  /** Its newest log file. */
  file: string;
  /** Lines taken in so far. */
  lines: number;
  file_bytes: number;
}

/** Forget the lines in memory and empty the files. */
export interface ClearLogsParams {
  /** Default: all. */
  source?: string | null | undefined;
}

/**
 * What start_llama_server would take of this machine's memory with these settings. Nothing is loaded.
 *
 * The engine's own allocator is asked where the engine has one (llama-server and the embedded engine, about half a
 * second, remembered); otherwise a formula over the model's header tells.
 */
export interface EstimateMemoryParams {
  /** Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from. */
  llama_cpp_path?: string | null | undefined;
  /** Name of a build that install_engine has brought. `llama_cpp_path` wins over it. */
  engine_build?: string | null | undefined;
  /** The GGUF file to load. Wins over `model`. */
  model_path?: string | null | undefined;
  /** Name of a model in the library. With neither: the config's default, else the only one, else the last used, else the starter model. */
  model?: string | null | undefined;
  /** TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system. */
  port?: number | null | undefined;
  /** Address to listen on, with `port`. Default 127.0.0.1. Others need the key all the same. */
  host?: string | null | undefined;
  /** Context in tokens; 0 takes the model's own. Default 4096. */
  ctx_size?: number | null | undefined;
  /** Messages answered at the same time; they share the context. Default 4. */
  parallel?: number | null | undefined;
  /** Layers on the GPU; -1 is all that fit, 0 none. Default -1. */
  n_gpu_layers?: number | null | undefined;
  /** Default: the best one found. */
  engine?: EngineName | null | undefined;
  /** Projector GGUF of a vision or audio model. */
  mmproj_path?: string | null | undefined;
  /** CPU threads. Default: the engine's choice. */
  threads?: number | null | undefined;
  /** Logical batch of the prompt, tokens. Default: the engine's, 2048. */
  batch_size?: number | null | undefined;
  /** Physical batch of the prompt, tokens. Default: the engine's, 512. */
  ubatch_size?: number | null | undefined;
  /** Flash attention. Default auto. */
  flash_attn?: "auto" | "off" | "on" | boolean | null | undefined;
  /** Type of the K cache. Default f16. */
  cache_type_k?: CacheType | null | undefined;
  /** Type of the V cache. Default f16. */
  cache_type_v?: CacheType | null | undefined;
  /** Fail instead of running on the CPU, in whole or in part, where a GPU was wanted. */
  require_gpu?: boolean | null | undefined;
  /** Layers whose experts stay on the CPU. Default 0. */
  n_cpu_moe?: number | null | undefined;
  /** Name or Jinja text of a chat template. Default: the model's. */
  chat_template?: string | null | undefined;
  /** File with a Jinja chat template. */
  chat_template_file?: string | null | undefined;
  /** LoRA adapter files to apply. */
  lora?: string[] | null | undefined;
  /** Tokens a model may think; -1 without a limit, 0 none. Default -1. */
  reasoning_budget?: number | null | undefined;
  /** Serve embeddings only. Default false. */
  embeddings?: boolean | null | undefined;
  /** llama.cpp RPC servers, host:port each. */
  rpc_servers?: string[] | null | undefined;
  /** Further flags, handed over as they are; refused where the engine has none such, and where they would change its model, its address, its key or who else may ask it. */
  extra_args?: string[] | null | undefined;
  /** Further environment variables of the engine process; of the sidecar's own it gets only what drivers need. LLAMA_API_KEY and LLAMA_ARG_… are refused. */
  env?: Record<string, string> | null | undefined;
  /** As in start_llama_server. */
  preset?: string | null | undefined;
  /** By the formula alone: milliseconds, and no engine is run. For marks in long lists. */
  quick?: boolean | null | undefined;
}

/** One memory: the machine's own (`Host`) or a GPU's. */
export interface DeviceMemory {
  /** `Host`, or the engine's name of a GPU, such as CUDA0. */
  device: string;
  /** The model. On `Host` with what the engine keeps a second time, rearranged for the CPU. */
  weights_bytes: number;
  /** What it remembers of texts: KV cache and recurrent state. */
  kv_cache_bytes: number;
  /** Working memory of a step. */
  compute_bytes: number;
  /** The projector for images; on `Host` wherever it really goes. */
  projector_bytes: number;
  /** The engine itself: its code, vocabulary and tables. */
  program_bytes: number;
  total_bytes: number;
  /** What can be had now, under the limits that hold for us; null where not known. */
  free_bytes: number | null;
  /** Whether the total fits with its margin of error and a reserve. */
  fits: boolean;
  /** What is missing for that; 0 where it fits. */
  short_by_bytes: number;
}

/** A setting to change where memory is short. */
export interface LowerFirst {
  /** Parameter of start_llama_server. */
  setting: string;
  value: number | string;
  /** Of all devices together, with this change alone. */
  frees_bytes: number;
  /** With this change and those before it. */
  fits_then: boolean;
  reason: string;
}

/** What a start would take. */
export interface MemoryEstimate {
  model: string;
  model_path: string;
  engine: EngineName;
  /** As the engine would have it: 0 is resolved to the model's own. */
  ctx_size: number;
  parallel: number;
  /** Layers on GPUs; -1 is resolved to what fits. */
  n_gpu_layers: number;
  /** Layers of the model, the output layer included. */
  total_layers: number;
  /** `allocator`: the engine said it of itself. `formula`: calculated from the model's header. */
  method: "allocator" | "formula";
  /** How far off it may be, 0.05 for 5 %: what earlier starts have shown, else a default. */
  error_margin: number;
  /** Earlier starts on this machine that it was corrected by. */
  observations: number;
  /** `Host` first. */
  devices: DeviceMemory[];
  total_bytes: number;
  /** Whether it fits on every device. */
  fits: boolean;
  /** The same in a sentence. */
  message: string;
  /** The largest context that fits with these settings; null where none does. */
  largest_ctx_size: number | null;
  /** The most layers that fit on the GPUs; null where there is no GPU. */
  largest_n_gpu_layers: number | null;
  /** What to change where it does not fit, in order. */
  lower_first: LowerFirst[];
  /** What else may take memory, later or elsewhere. */
  notes: string[];
}

/** Settings for a model that suit this machine as it is now, each with its reason. */
export interface RecommendSettingsParams {
  /** As in start_llama_server. */
  model?: string | null | undefined;
  /** As in start_llama_server; wins over `model`. */
  model_path?: string | null | undefined;
  /** Default: the best one found. */
  engine?: EngineName | null | undefined;
  /** As in start_llama_server. */
  llama_cpp_path?: string | null | undefined;
}

/** One setting and why. */
export interface Recommendation {
  setting: string;
  value: number | string;
  reason: string;
}

/** Settings to start a model with. */
export interface RecommendSettingsResult {
  /** start_llama_server takes them as they are. */
  settings: Record<string, unknown>;
  reasons: Recommendation[];
  fits: boolean;
  /** What a start with these settings would take. */
  estimate: MemoryEstimate;
}

/** An error as the host sees it: code, message, and `data` with `name`, `retryable`, `hint` and `remedies`. */
export interface WireError {
  code: number;
  message: string;
  data: Record<string, unknown>;
}

/** It failed; `error` is the response's. */
export interface ErrorEvent {
  status: "error";
  error: WireError;
}

/** Cancelled by the host; what was kept of an answer is in `partial`. */
export interface CancelledEvent {
  status: "cancelled";
  partial?: string;
}

/** A model in the library. */
export interface ModelInfo {
  /** What `model` parameters take. */
  name: string;
  /** The file; the first of a split model. */
  path: string;
  /** All files of the model together. */
  size_bytes: number;
  /** How many files it is split into. */
  files: number;
  modified_at: number;
  /** `own`: in the sidecar's models folder. `folder`: in one of the config's. The others: kept by the program of that name, `huggingface` by its cache. */
  origin: ModelOrigin;
  /** A projector beside it, for images. */
  mmproj_path: string | null;
  /** Whether its header could be read. */
  valid: boolean;
  /** Why not, in words. */
  problem: string | null;
  architecture: string | null;
  /** Such as Q4_K_M. */
  quantization: string | null;
  /** Number of weights. */
  parameters: number | null;
  /** Context the model was trained for, tokens. */
  context_length: number | null;
  /** What its program or its header calls it. */
  display_name: string | null;
  /** Where it came from, such as ORG/NAME, where that is known. */
  repo: string | null;
  /** As header, chat template and projector say. null until the header has been read to its end, which the next listing may have done. */
  capabilities: Capability[] | null;
  /** LoRA files made for it, as they say themselves; for `lora` of start_llama_server. */
  adapters: string[];
  /** Where else the same content lies: links to it, and copies known to be some. */
  other_paths: string[];
  /** Other names that find it, such as those of a copy in another program. */
  aliases: string[];
}

/**
 * The models in the library: the sidecar's own, those in the config's folders, and what other programs keep.
 *
 * Those of other programs are used where they lie: nothing is copied, and nothing of theirs is ever written to.
 */
export type ListModelsParams = Record<string, never>;

/** A model with what its header says, read to its end. */
export interface GetModelParams {
  /** Name, file name or path, as in list_models. */
  model: string;
}

/** A file of a model. */
export interface ModelPart {
  path: string;
  size_bytes: number;
}

/** A model in the library, in detail. What a damaged one does not say is null. */
export interface ModelDetails {
  /** What `model` parameters take. */
  name: string;
  /** The file; the first of a split model. */
  path: string;
  /** All files of the model together. */
  size_bytes: number;
  /** How many files it is split into. */
  files: number;
  modified_at: number;
  /** `own`: in the sidecar's models folder. `folder`: in one of the config's. The others: kept by the program of that name, `huggingface` by its cache. */
  origin: ModelOrigin;
  /** A projector beside it, for images. */
  mmproj_path: string | null;
  /** Whether its header could be read. */
  valid: boolean;
  /** Why not, in words. */
  problem: string | null;
  architecture: string | null;
  /** Such as Q4_K_M. */
  quantization: string | null;
  /** Number of weights. */
  parameters: number | null;
  /** Context the model was trained for, tokens. */
  context_length: number | null;
  /** What its program or its header calls it. */
  display_name: string | null;
  /** Where it came from, such as ORG/NAME, where that is known. */
  repo: string | null;
  /** As header, chat template and projector say. null until the header has been read to its end, which the next listing may have done. */
  capabilities: Capability[] | null;
  /** LoRA files made for it, as they say themselves; for `lora` of start_llama_server. */
  adapters: string[];
  /** Where else the same content lies: links to it, and copies known to be some. */
  other_paths: string[];
  /** Other names that find it, such as those of a copy in another program. */
  aliases: string[];
  parts: ModelPart[];
  /** All that fit, the one that is used first. */
  projectors: string[];
  layers: number | null;
  embedding_length: number | null;
  heads: number | null;
  kv_heads: number | null;
  experts: number | null;
  /** Number of tokens. */
  vocabulary: number | null;
  chat_template: string | null;
  licence: string | null;
}

/** Look at all places, as list_models does, and say what is in each and what was left out there. */
export interface ScanModelsParams {
  /** Also read all headers to their end, and whole files where two may be copies of each other: such as are copies are one model afterwards. Takes minutes for large ones. Default: false. */
  verify?: boolean | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
}

/** Bytes are read or copied. */
export interface ModelWork {
  status: "working";
  done_bytes: number;
  total_bytes: number;
}

/** The scan's result is in the response. */
export interface ScanDone {
  status: "done";
  models: number;
}

/** A place where models are looked for. */
export interface LibrarySource {
  origin: ModelOrigin;
  path: string;
  /** Whether there is such a place. */
  found: boolean;
  /** GGUF files there, each once. */
  files: number;
  /** Models listed as being there; copies count where they are listed. */
  models: number;
  /** What was left out there, and why; 20 at most. */
  problems: string[];
}

/** What was found. */
export interface ScanModelsResult {
  models: number;
  damaged: number;
  /** Models whose headers have not been read to their end so far. */
  unread: number;
  sources: LibrarySource[];
  /** Names of models of one size that begin alike; `verify` finds out whether they are copies. */
  possible_copies: string[][];
  /** Of the look itself, without what `verify` read. */
  took_ms: number;
}

/** What a GGUF file says of itself. Only its header is read. */
export interface InspectModelParams {
  /** Absolute path. */
  path: string;
}

/** A GGUF header. */
export interface InspectModelResult {
  path: string;
  size_bytes: number;
  gguf_version: number;
  tensor_count: number;
  name: string | null;
  architecture: string | null;
  quantization: string | null;
  parameters: number | null;
  context_length: number | null;
  layers: number | null;
  embedding_length: number | null;
  heads: number | null;
  kv_heads: number | null;
  experts: number | null;
  /** Number of tokens. */
  vocabulary: number | null;
  chat_template: string | null;
  licence: string | null;
  /** Every key and value; long arrays as {"array": type, "length": n}, texts beyond 2 MiB in all as {"text_bytes": n}. */
  metadata: Record<string, unknown>;
}

/**
 * Bring a GGUF file into the sidecar's own models folder, with the other parts of a split model and its projector.
 *
 * Nothing there is ever overwritten. A model of another program can be linked or copied, never moved.
 */
export interface ImportModelParams {
  /** Absolute path of the file. */
  path: string;
  /** `link` (default): a further name of the same file, which takes no room; a link to it where file systems differ, which ends when the file does. `copy`: a file of its own. `move`: the file itself. */
  mode?: "copy" | "link" | "move" | null | undefined;
  /** What to call it. Default: as its file is called, or as its program calls it. */
  name?: string | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
}

/** It is in the library; the response has it. */
export interface ImportDone {
  status: "done";
  model: string;
}

/**
 * Delete a model in the sidecar's own folder. It can be brought back with restore_model until it is purged.
 *
 * Files of other programs and of the config's folders are never touched: of a link in our folder, only the link goes.
 */
export interface DeleteModelParams {
  /** Name, file name or path, as in list_models. */
  model: string;
  /** At once and for ever. Default: false. */
  permanently?: boolean | null | undefined;
  /** Only say what would happen. Default: false. */
  dry_run?: boolean | null | undefined;
}

/** A file that goes. */
export interface DeletedFile {
  path: string;
  size_bytes: number;
  /** 0 where it is a link, or the content has another name as well. */
  frees_bytes: number;
  /** Whether it is a link, whose target stays. */
  link: boolean;
}

/** A file that stays although it goes with the model. */
export interface KeptFile {
  path: string;
  /** Other models that need it. */
  used_by: string[];
}

/** What goes, or would go. */
export interface DeletedModel {
  model: string;
  /** false for a dry run. */
  deleted: boolean;
  files: DeletedFile[];
  /** Room on the disk that this makes: at once if permanent, else purged. */
  frees_bytes: number;
  kept: KeptFile[];
  /** Where the same content stays. */
  other_paths: string[];
  /** Ids of running servers that have it loaded. */
  used_by_servers: string[];
  /** For restore_model; null if permanent or a dry run. */
  trash_id: string | null;
  /** Until when it can be brought back. */
  purged_at: number | null;
}

/** The deleted models that can be brought back, the last deleted first. */
export type ListDeletedModelsParams = Record<string, never>;

/** A deleted model that can be brought back. */
export interface TrashedModel {
  trash_id: string;
  model: string;
  /** Where it was. */
  path: string;
  files: number;
  size_bytes: number;
  deleted_at: number;
  /** When it goes for ever: `models.deleted_retention_days` later. */
  purged_at: number;
}

/** Undo delete_model: the files go back to where they were. */
export interface RestoreModelParams {
  /** `trash_id`, or the name of the model deleted last under it. */
  model: string;
}

/** Delete for ever what restore_model could bring back. */
export interface EmptyTrashParams {
  /** Only this one: `trash_id` or name. Default: everything. */
  model?: string | null | undefined;
}

/** What is gone. */
export interface EmptyTrashResult {
  models: number;
  freed_bytes: number;
}

/** Something that helps. Its sentence for people is the error's `hint`. */
export interface Remedy {
  /** A method of this contract, or a RemedyWord. */
  action: string;
  /** What is known of the method's parameters; a person or the host chooses the others. */
  params: Record<string, unknown>;
}

/** The processors. */
export interface CpuUse {
  /** 0 to 100 over all cores, since the reading before. */
  percent: number;
  logical_cores: number;
  physical_cores: number | null;
}

/** Main memory. */
export interface MemoryUse {
  total_bytes: number;
  /** What programs can still get without swapping. */
  available_bytes: number;
  used_bytes: number;
}

/** The disk of the data folder. */
export interface DiskUse {
  path: string;
  total_bytes: number;
  free_bytes: number;
}

/** A GPU. What its driver does not tell is null. */
export interface GpuUse {
  index: number;
  name: string;
  uuid: string;
  /** Its own memory; null where it shares the machine's. */
  total_bytes: number | null;
  used_bytes: number | null;
  free_bytes: number | null;
  utilization_percent: number | null;
  temperature_celsius: number | null;
  power_watts: number | null;
  driver_version: string | null;
}

/** Whether GPUs can be read at all. A driver that fails or hangs is told here; it is never an error. */
export interface GpuStatus {
  /** `absent`: no NVIDIA driver. `hanging`: the driver has not answered in time. */
  state: "absent" | "failing" | "hanging" | "ok";
  message: string;
}

/** What one engine uses. */
export interface ServerUse {
  server_id: string;
  pid: number;
  /** Resident memory, shared pages such as a mapped model included. */
  memory_bytes: number;
  /** 100 is one core, since the reading before. */
  cpu_percent: number;
  /** Over all GPUs; null where the driver does not tell. */
  gpu_memory_bytes: number | null;
}

/** The machine and its use. */
export interface Resources {
  at: number;
  cpu: CpuUse;
  memory: MemoryUse;
  disk: DiskUse;
  gpus: GpuUse[];
  gpu_status: GpuStatus;
  servers: ServerUse[];
}

/** A reading of the machine, now. */
export type GetResourcesParams = Record<string, never>;

/** What an engine has planned for or taken of one device, by its own log. */
export interface MemoryTaken {
  /** `Host`, or the engine's name of a GPU, such as CUDA0. */
  device: string;
  weights_bytes: number;
  kv_cache_bytes: number;
  compute_bytes: number;
  projector_bytes: number;
}

/** What the engine was asked for, after every default. */
export interface StartPlan {
  ctx_size: number;
  parallel: number;
  n_gpu_layers: number;
  /** The command line; never holds a secret. */
  argv: string[];
  /** Settings that this engine does not know, left out. */
  ignored: string[];
  /** What the engine's own allocator planned before it loaded anything. */
  memory: MemoryTaken[];
}

/** What the engine says of itself once it is ready. */
export interface StartActual {
  /** Tokens that one message's prompt and answer may use together. */
  context_per_message: number;
  /** Messages that it answers at the same time. */
  slots: number;
  /** From the start of the process until it was ready. */
  load_ms: number;
  /** Layers on the GPU, where the engine says so. */
  gpu_layers: number | null;
  /** Layers of the model, where the engine says so. */
  total_layers: number | null;
  /** Whether it takes images. */
  vision: boolean;
  /** The engine's build, in its own words. */
  build: string | null;
  /** Where the model went; empty where the engine does not say so. */
  memory: MemoryTaken[];
}

/** A server that runs, but not as it was wanted. */
export interface StartWarning {
  code: "GPU_NOT_USED" | "GPU_PARTLY_USED";
  cause: GpuCause;
  /** What happened and why, in words. */
  message: string;
  /** What to do next, in a sentence for people. */
  hint: string;
  /** What a host can do or offer. */
  remedies: Remedy[];
}

/** A server and how it is. Before it is planned, what has not been chosen yet is null. */
export interface ServerInfo {
  server_id: string;
  state: ServerState;
  engine: EngineName | null;
  /** The model's name. */
  model: string | null;
  model_path: string | null;
  /** Process id of the engine while there is one. */
  pid: number | null;
  /** TCP port; null on a private socket. */
  port: number | null;
  /** Where its OpenAI API is; null on a private socket. */
  base_url: string | null;
  ctx_size: number | null;
  parallel: number | null;
  n_gpu_layers: number | null;
  /** When its process was started, Unix seconds. */
  started_at: number | null;
  /** Its state in a sentence. */
  message: string;
  plan: StartPlan | null;
  actual: StartActual | null;
  /** Why it failed, in state `failed`; why it crashed, until it is ready again. */
  error: WireError | null;
  /** It runs, but not on the GPU as it was wanted. Null where all is well. */
  warning: StartWarning | null;
  /** How often its engine has crashed and was started again by the sidecar itself. */
  restarts: number;
  /** Messages go to this server that name none, and whose session has none. At most one is so. */
  default: boolean;
}

/**
 * Start an engine with a model; answered when it is ready for messages.
 *
 * With no engine named the best one found is used: a configured llama.cpp folder, then the default of the builds that
 * install_engine has brought, then PATH, then the embedded engine, then llama-cpp-python.
 */
export interface StartLlamaServerParams {
  /** Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from. */
  llama_cpp_path?: string | null | undefined;
  /** Name of a build that install_engine has brought. `llama_cpp_path` wins over it. */
  engine_build?: string | null | undefined;
  /** The GGUF file to load. Wins over `model`. */
  model_path?: string | null | undefined;
  /** Name of a model in the library. With neither: the config's default, else the only one, else the last used, else the starter model. */
  model?: string | null | undefined;
  /** TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system. */
  port?: number | null | undefined;
  /** Address to listen on, with `port`. Default 127.0.0.1. Others need the key all the same. */
  host?: string | null | undefined;
  /** Context in tokens; 0 takes the model's own. Default 4096. */
  ctx_size?: number | null | undefined;
  /** Messages answered at the same time; they share the context. Default 4. */
  parallel?: number | null | undefined;
  /** Layers on the GPU; -1 is all that fit, 0 none. Default -1. */
  n_gpu_layers?: number | null | undefined;
  /** Default: the best one found. */
  engine?: EngineName | null | undefined;
  /** Projector GGUF of a vision or audio model. */
  mmproj_path?: string | null | undefined;
  /** CPU threads. Default: the engine's choice. */
  threads?: number | null | undefined;
  /** Logical batch of the prompt, tokens. Default: the engine's, 2048. */
  batch_size?: number | null | undefined;
  /** Physical batch of the prompt, tokens. Default: the engine's, 512. */
  ubatch_size?: number | null | undefined;
  /** Flash attention. Default auto. */
  flash_attn?: "auto" | "off" | "on" | boolean | null | undefined;
  /** Type of the K cache. Default f16. */
  cache_type_k?: CacheType | null | undefined;
  /** Type of the V cache. Default f16. */
  cache_type_v?: CacheType | null | undefined;
  /** Fail instead of running on the CPU, in whole or in part, where a GPU was wanted. */
  require_gpu?: boolean | null | undefined;
  /** Layers whose experts stay on the CPU. Default 0. */
  n_cpu_moe?: number | null | undefined;
  /** Name or Jinja text of a chat template. Default: the model's. */
  chat_template?: string | null | undefined;
  /** File with a Jinja chat template. */
  chat_template_file?: string | null | undefined;
  /** LoRA adapter files to apply. */
  lora?: string[] | null | undefined;
  /** Tokens a model may think; -1 without a limit, 0 none. Default -1. */
  reasoning_budget?: number | null | undefined;
  /** Serve embeddings only. Default false. */
  embeddings?: boolean | null | undefined;
  /** llama.cpp RPC servers, host:port each. */
  rpc_servers?: string[] | null | undefined;
  /** Further flags, handed over as they are; refused where the engine has none such, and where they would change its model, its address, its key or who else may ask it. */
  extra_args?: string[] | null | undefined;
  /** Further environment variables of the engine process; of the sidecar's own it gets only what drivers need. LLAMA_API_KEY and LLAMA_ARG_… are refused. */
  env?: Record<string, string> | null | undefined;
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
  /** Name in the config's `server_presets`; parameters given here win over it. */
  preset?: string | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
}

/** Accepted. */
export interface StartQueued {
  status: "queued";
}

/** Engine and model are being chosen and checked. */
export interface StartPlanning {
  status: "planning";
}

/** The process is being started. */
export interface StartStarting {
  status: "starting";
  pid?: number;
}

/** The model is being read. */
export interface StartLoading {
  status: "loading";
  /** What is being loaded, such as text_model or mmproj_model. */
  stage: string;
  /** 0 to 1 over all stages; null where the engine does not tell. */
  progress: number | null;
  /** Estimated time left, from the rate so far. */
  eta_ms?: number;
}

/** Loaded; the first empty run is under way. */
export interface StartWarming {
  status: "warming";
}

/** Ready; the members are the response's. */
export interface StartDone extends ServerInfo {
  status: "done";
}

/** Stop a server, in whatever state it is; answered when its process is gone. */
export interface StopLlamaServerParams {
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
}

/** Whether the server takes messages: it is ready, or sleeps until the next one. */
export interface IsLlamaRunningParams {
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
}

/** The settings a server runs with; those it would start with where there is none. */
export interface GetLlamaConfigParams {
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
}

/** Settings in effect; the further settings of start_llama_server are in `settings` where they were given. */
export interface LlamaConfig {
  server_id: string;
  llama_cpp_path: string | null;
  model_path: string | null;
  port: number | null;
  ctx_size: number;
  parallel: number;
  n_gpu_layers: number;
  engine: EngineName | null;
  settings: Record<string, unknown>;
}

/** A server, with how to reach it directly. */
export interface GetServerParams {
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
}

/**
 * A server and how to reach it directly, past the sidecar. An engine that is started again has another key, and
 * another socket or port unless that was asked for.
 */
export interface ServerDetails {
  server_id: string;
  state: ServerState;
  engine: EngineName | null;
  /** The model's name. */
  model: string | null;
  model_path: string | null;
  /** Process id of the engine while there is one. */
  pid: number | null;
  /** TCP port; null on a private socket. */
  port: number | null;
  /** Where its OpenAI API is; null on a private socket. */
  base_url: string | null;
  ctx_size: number | null;
  parallel: number | null;
  n_gpu_layers: number | null;
  /** When its process was started, Unix seconds. */
  started_at: number | null;
  /** Its state in a sentence. */
  message: string;
  plan: StartPlan | null;
  actual: StartActual | null;
  /** Why it failed, in state `failed`; why it crashed, until it is ready again. */
  error: WireError | null;
  /** It runs, but not on the GPU as it was wanted. Null where all is well. */
  warning: StartWarning | null;
  /** How often its engine has crashed and was started again by the sidecar itself. */
  restarts: number;
  /** Messages go to this server that name none, and whose session has none. At most one is so. */
  default: boolean;
  /** Send it as `Authorization: Bearer …`. */
  api_key: string | null;
  /** UNIX socket of its HTTP API. */
  socket_path: string | null;
}

/** Every server that was started and not stopped, failed ones too. */
export type ListServersParams = Record<string, never>;

/**
 * Stop a server and start it with the same settings.
 *
 * Answers that are under way end with SERVER_NOT_RUNNING; messages that wait, or come meanwhile, wait for the new one.
 */
export interface RestartServerParams {
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
}

/**
 * Stop a server and start it with another model and otherwise the same settings. Sessions stay.
 *
 * What belongs to the model before is not kept: chat template, projector and LoRA adapters. Answers that are under way
 * end with SERVER_NOT_RUNNING; messages that wait, or come meanwhile, wait for the new one.
 */
export interface SwitchModelParams {
  /** Name in the library, or path of a GGUF file. */
  model: string;
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
}

/** The command that start_llama_server would run. Nothing is started, nothing is written. */
export interface PreviewCommandParams {
  /** Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from. */
  llama_cpp_path?: string | null | undefined;
  /** Name of a build that install_engine has brought. `llama_cpp_path` wins over it. */
  engine_build?: string | null | undefined;
  /** The GGUF file to load. Wins over `model`. */
  model_path?: string | null | undefined;
  /** Name of a model in the library. With neither: the config's default, else the only one, else the last used, else the starter model. */
  model?: string | null | undefined;
  /** TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system. */
  port?: number | null | undefined;
  /** Address to listen on, with `port`. Default 127.0.0.1. Others need the key all the same. */
  host?: string | null | undefined;
  /** Context in tokens; 0 takes the model's own. Default 4096. */
  ctx_size?: number | null | undefined;
  /** Messages answered at the same time; they share the context. Default 4. */
  parallel?: number | null | undefined;
  /** Layers on the GPU; -1 is all that fit, 0 none. Default -1. */
  n_gpu_layers?: number | null | undefined;
  /** Default: the best one found. */
  engine?: EngineName | null | undefined;
  /** Projector GGUF of a vision or audio model. */
  mmproj_path?: string | null | undefined;
  /** CPU threads. Default: the engine's choice. */
  threads?: number | null | undefined;
  /** Logical batch of the prompt, tokens. Default: the engine's, 2048. */
  batch_size?: number | null | undefined;
  /** Physical batch of the prompt, tokens. Default: the engine's, 512. */
  ubatch_size?: number | null | undefined;
  /** Flash attention. Default auto. */
  flash_attn?: "auto" | "off" | "on" | boolean | null | undefined;
  /** Type of the K cache. Default f16. */
  cache_type_k?: CacheType | null | undefined;
  /** Type of the V cache. Default f16. */
  cache_type_v?: CacheType | null | undefined;
  /** Fail instead of running on the CPU, in whole or in part, where a GPU was wanted. */
  require_gpu?: boolean | null | undefined;
  /** Layers whose experts stay on the CPU. Default 0. */
  n_cpu_moe?: number | null | undefined;
  /** Name or Jinja text of a chat template. Default: the model's. */
  chat_template?: string | null | undefined;
  /** File with a Jinja chat template. */
  chat_template_file?: string | null | undefined;
  /** LoRA adapter files to apply. */
  lora?: string[] | null | undefined;
  /** Tokens a model may think; -1 without a limit, 0 none. Default -1. */
  reasoning_budget?: number | null | undefined;
  /** Serve embeddings only. Default false. */
  embeddings?: boolean | null | undefined;
  /** llama.cpp RPC servers, host:port each. */
  rpc_servers?: string[] | null | undefined;
  /** Further flags, handed over as they are; refused where the engine has none such, and where they would change its model, its address, its key or who else may ask it. */
  extra_args?: string[] | null | undefined;
  /** Further environment variables of the engine process; of the sidecar's own it gets only what drivers need. LLAMA_API_KEY and LLAMA_ARG_… are refused. */
  env?: Record<string, string> | null | undefined;
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
  /** As in start_llama_server. */
  preset?: string | null | undefined;
}

/** A command, not run. */
export interface PreviewCommandResult {
  argv: string[];
  /** The same, quoted for a POSIX shell. */
  one_liner: string;
  /** Settings that this engine does not know, left out. */
  ignored: string[];
}

/** Ask an engine whether it is well. */
export interface PingServerParams {
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
  /** Any OpenAI-compatible server instead of one of ours. */
  base_url?: string | null | undefined;
}

/** How the engine answered. */
export interface PingServerResult {
  ok: boolean;
  latency_ms: number | null;
  /** HTTP status, where there was an answer. */
  status: number | null;
  /** Why it is not well, in plain words. */
  error: string | null;
}

/** How to run a model. Everything is optional. */
export interface ServerSettings {
  /** Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from. */
  llama_cpp_path?: string | null | undefined;
  /** Name of a build that install_engine has brought. `llama_cpp_path` wins over it. */
  engine_build?: string | null | undefined;
  /** The GGUF file to load. Wins over `model`. */
  model_path?: string | null | undefined;
  /** Name of a model in the library. With neither: the config's default, else the only one, else the last used, else the starter model. */
  model?: string | null | undefined;
  /** TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system. */
  port?: number | null | undefined;
  /** Address to listen on, with `port`. Default 127.0.0.1. Others need the key all the same. */
  host?: string | null | undefined;
  /** Context in tokens; 0 takes the model's own. Default 4096. */
  ctx_size?: number | null | undefined;
  /** Messages answered at the same time; they share the context. Default 4. */
  parallel?: number | null | undefined;
  /** Layers on the GPU; -1 is all that fit, 0 none. Default -1. */
  n_gpu_layers?: number | null | undefined;
  /** Default: the best one found. */
  engine?: EngineName | null | undefined;
  /** Projector GGUF of a vision or audio model. */
  mmproj_path?: string | null | undefined;
  /** CPU threads. Default: the engine's choice. */
  threads?: number | null | undefined;
  /** Logical batch of the prompt, tokens. Default: the engine's, 2048. */
  batch_size?: number | null | undefined;
  /** Physical batch of the prompt, tokens. Default: the engine's, 512. */
  ubatch_size?: number | null | undefined;
  /** Flash attention. Default auto. */
  flash_attn?: "auto" | "off" | "on" | boolean | null | undefined;
  /** Type of the K cache. Default f16. */
  cache_type_k?: CacheType | null | undefined;
  /** Type of the V cache. Default f16. */
  cache_type_v?: CacheType | null | undefined;
  /** Fail instead of running on the CPU, in whole or in part, where a GPU was wanted. */
  require_gpu?: boolean | null | undefined;
  /** Layers whose experts stay on the CPU. Default 0. */
  n_cpu_moe?: number | null | undefined;
  /** Name or Jinja text of a chat template. Default: the model's. */
  chat_template?: string | null | undefined;
  /** File with a Jinja chat template. */
  chat_template_file?: string | null | undefined;
  /** LoRA adapter files to apply. */
  lora?: string[] | null | undefined;
  /** Tokens a model may think; -1 without a limit, 0 none. Default -1. */
  reasoning_budget?: number | null | undefined;
  /** Serve embeddings only. Default false. */
  embeddings?: boolean | null | undefined;
  /** llama.cpp RPC servers, host:port each. */
  rpc_servers?: string[] | null | undefined;
  /** Further flags, handed over as they are; refused where the engine has none such, and where they would change its model, its address, its key or who else may ask it. */
  extra_args?: string[] | null | undefined;
  /** Further environment variables of the engine process; of the sidecar's own it gets only what drivers need. LLAMA_API_KEY and LLAMA_ARG_… are refused. */
  env?: Record<string, string> | null | undefined;
}

/** Text of a message. */
export interface TextPart {
  type: "text";
  text: string;
}

/** Where an image is: a data: URL. Addresses on the network are refused: the sidecar fetches nothing for a chat. */
export interface ImageUrl {
  /** data:image/…;base64,… */
  url: string;
  detail?: "auto" | "high" | "low" | null | undefined;
}

/** An image in a message. */
export interface ImagePart {
  type: "image_url";
  image_url: ImageUrl;
}

/** Sound, as base64. */
export interface AudioData {
  data: string;
  format: "mp3" | "wav";
}

/** Sound in a message. */
export interface AudioPart {
  type: "input_audio";
  input_audio: AudioData;
}

/** Sampling settings and context policy of one session. */
export interface SessionConfig {
  /** 0 always takes the likeliest token. */
  temperature?: number | null | undefined;
  /** Nucleus sampling; 1 switches it off. */
  top_p?: number | null | undefined;
  /** Likeliest tokens to choose from; 0 is all. */
  top_k?: number | null | undefined;
  /** Least probability, relative to the likeliest token's. */
  min_p?: number | null | undefined;
  /** Longest answer. Default: until the model ends or the context is full. */
  max_tokens?: number | null | undefined;
  /** 1 switches it off. */
  repeat_penalty?: number | null | undefined;
  /** -1 is a new one each time. */
  seed?: number | null | undefined;
  /** Texts that end the answer. */
  stop?: string[] | string | null | undefined;
  /** Default: the config's. */
  context_policy?: ContextPolicy | null | undefined;
}

/** A conversation. */
export interface Session {
  session_id: string;
  title: string;
  system: string | null;
  /** The server it was last used with. */
  server_id: string | null;
  config: SessionConfig;
  archived: boolean;
  created_at: number;
  updated_at: number;
  /** Messages in all branches. */
  message_count: number;
  /** Last message of the branch in use. */
  head: string | null;
}

/** The function a model wants called. */
export interface ToolFunction {
  name: string;
  /** JSON as the model wrote it; it may be wrong. */
  arguments: string;
}

/** A call that the model asks for; answer it with `tool_results`. */
export interface ToolCall {
  id: string;
  type: "function";
  function: ToolFunction;
}

/** Tokens, as the engine counted them. */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  /** Of the prompt, found in the engine's cache and not computed again. */
  cached_tokens: number;
}

/** How long it took. */
export interface Timings {
  /** From the request to the first token; null where there was none. */
  ttft_ms: number | null;
  /** Prompt tokens computed a second. */
  prompt_per_second: number | null;
  /** Tokens generated a second. */
  predicted_per_second: number | null;
  /** From the request to the end. */
  total_ms: number;
}

/** Make an empty session. */
export interface CreateSessionParams {
  /** A UUID made by the host. Default: a new one. */
  session_id?: string | null | undefined;
  /** Default: from the first user message. */
  title?: string | null | undefined;
  /** System prompt. Default: the config's. */
  system?: string | null | undefined;
  /** The server to use. Default: the one ready. */
  server_id?: string | null | undefined;
  /** Settings of this session. Default: none. */
  config?: SessionConfig | null | undefined;
}

/** Sessions, the last used first. */
export interface ListSessionsParams {
  /** Only those whose title holds this text. */
  query?: string | null | undefined;
  /** Only archived ones, or only others. Default: others. */
  archived?: boolean | null | undefined;
  /** Default 50. */
  limit?: number | null | undefined;
  /** `next_cursor` of the page before. */
  cursor?: string | null | undefined;
}

/** A page of sessions. */
export interface ListSessionsResult {
  sessions: Session[];
  next_cursor: string | null;
}

/** One session. */
export interface GetSessionParams {
  session_id: string;
}

/** The messages of a branch, oldest first. */
export interface GetMessagesParams {
  session_id: string;
  /** Id of the branch's last message, or of any on it. Default: the branch in use. */
  branch?: string | null | undefined;
  /** At most so many, the newest of them. Default: all. */
  limit?: number | null | undefined;
  /** Only messages above this one, to page upwards. */
  before?: string | null | undefined;
}

/** One message of a session's tree. */
export interface Message {
  message_id: string;
  session_id: string;
  parent_id: string | null;
  role: "assistant" | "tool" | "user";
  content: string;
  /** The content parts, where there was more than text. */
  parts?: Record<string, unknown>[];
  reasoning?: string;
  tool_calls?: ToolCall[];
  tool_call_id?: string;
  /** `interrupted`: the sidecar ended while it was being written; what was kept is here. */
  state: "cancelled" | "complete" | "error" | "interrupted" | "running";
  finish_reason: string | null;
  usage: Usage | null;
  timings: Timings | null;
  /** The model that wrote it. */
  model: string | null;
  created_at: number;
  /** The branches at this point: ids of all messages with this parent, oldest first. */
  siblings: string[];
}

/** Messages of one branch. */
export interface GetMessagesResult {
  session_id: string;
  /** Id of the branch's last message. */
  branch: string | null;
  messages: Message[];
  /** Whether there are older ones on this branch. */
  has_more: boolean;
}

/** Change a session; what is left out stays. */
export interface UpdateSessionParams {
  session_id: string;
  title?: string | null | undefined;
  /** System prompt; "" removes it. */
  system?: string | null | undefined;
  /** The server to use from now on. */
  server_id?: string | null | undefined;
  archived?: boolean | null | undefined;
  /** Replaces the session's settings. */
  config?: SessionConfig | null | undefined;
  /** Id of a message: go on from its branch. */
  branch?: string | null | undefined;
}

/** Delete a session. It can be brought back with restore_session until it is purged. */
export interface DeleteSessionParams {
  session_id: string;
}

/** What was deleted. */
export interface DeleteSessionResult {
  session_id: string;
  /** When it will be gone for good, Unix seconds. */
  purge_at: number;
}

/** Undo delete_session. */
export interface RestoreSessionParams {
  session_id: string;
}

/**
 * Messages that hold all the words, the newest first. The last word may be unfinished, from its second letter on.
 *
 * INVALID_PARAMS with the path `$.query` is also the answer to a search that is given up because it takes too long.
 *
 * Refused while the history is encrypted (`storage.encrypt`): an index would hold its words in plain text.
 */
export interface SearchMessagesParams {
  query: string;
  /** Only in this session. */
  session_id?: string | null | undefined;
  /** Default 20. */
  limit?: number | null | undefined;
  /** `next_cursor` of the page before. */
  cursor?: string | null | undefined;
}

/** A message found. */
export interface SearchHit {
  session_id: string;
  session_title: string;
  message_id: string;
  role: string;
  /** The text around the words, which stand between \u0002 and \u0003. */
  snippet: string;
  created_at: number;
}

/** A page of messages found. */
export interface SearchMessagesResult {
  hits: SearchHit[];
  next_cursor: string | null;
}

/** A session as text to keep: everything as JSON, or the branch in use as Markdown. */
export interface ExportSessionParams {
  session_id: string;
  /** Default json. */
  format?: "json" | "markdown" | null | undefined;
}

/** The text and how to name the file. */
export interface ExportSessionResult {
  format: "json" | "markdown";
  filename: string;
  content: string;
}

/** Bring in what export_session wrote as JSON. It gets a new id where the old one is taken. */
export interface ImportSessionParams {
  /** The JSON text. */
  content: string;
}

/** A message in an exported file. */
export interface ExportedMessage {
  message_id: string;
  parent_id?: string | null;
  role: "assistant" | "tool" | "user";
  content: string;
  parts?: Record<string, unknown>[] | null;
  reasoning?: string | null;
  tool_calls?: ToolCall[] | null;
  tool_call_id?: string | null;
  state?: "cancelled" | "complete" | "error" | "interrupted";
  finish_reason?: string | null;
  usage?: Usage | null;
  timings?: Timings | null;
  model?: string | null;
  created_at: number;
}

/** The JSON that export_session writes and import_session reads. */
export interface SessionExport {
  format: "llama-sidecar/session";
  version: 1;
  session_id: string;
  title: string;
  system: string | null;
  config: SessionConfig;
  created_at: number;
  updated_at: number;
  head: string | null;
  messages: ExportedMessage[];
}

/** Topic servers: a server is in a new state. Begins with every server there is. */
export interface ServerEvent {
  status: "server";
  /** How many events of this topic were left out before this one because the host read slowly. */
  dropped: number;
  server: ServerInfo;
}

/** Topic servers: a server was stopped. */
export interface ServerRemovedEvent {
  status: "server_removed";
  /** How many events of this topic were left out before this one because the host read slowly. */
  dropped: number;
  server_id: string;
}

/** Topic resources: a reading. */
export interface ResourcesEvent {
  status: "resources";
  /** How many events of this topic were left out before this one because the host read slowly. */
  dropped: number;
  resources: Resources;
}

/** Topic logs: new lines. */
export interface LogsEvent {
  status: "logs";
  entries: LogEntry[];
  /** Lines left out before these: they came faster than they are read. */
  dropped: number;
}

/** Topic sessions: a session was made, changed, restored or used. */
export interface SessionEvent {
  status: "session";
  /** How many events of this topic were left out before this one because the host read slowly. */
  dropped: number;
  session: Session;
}

/** Topic sessions: a session was deleted. */
export interface SessionDeletedEvent {
  status: "session_deleted";
  /** How many events of this topic were left out before this one because the host read slowly. */
  dropped: number;
  session_id: string;
}

/** Topic models: a model has come, or is another one than before. Begins with every model there is. */
export interface ModelEvent {
  status: "model";
  /** How many events of this topic were left out before this one because the host read slowly. */
  dropped: number;
  model: ModelInfo;
}

/** Topic models: there is no model of this name any more. */
export interface ModelRemovedEvent {
  status: "model_removed";
  /** How many events of this topic were left out before this one because the host read slowly. */
  dropped: number;
  name: string;
}

/** Topic downloads: a download is in a new state or has come further. Begins with every one in list_downloads. */
export interface DownloadStateEvent {
  status: "download";
  /** How many events of this topic were left out before this one because the host read slowly. */
  dropped: number;
  download: Download;
}

/** Topic engines: there are other managed builds, or another one is the default. Begins with those there are. */
export interface EnginesEvent {
  status: "engines";
  /** How many events of this topic were left out before this one because the host read slowly. */
  dropped: number;
  managed: ManagedEngines;
}

/** The subscription ended. */
export interface SubscriptionDone {
  status: "done";
}

export type TopicEvent =
  | ServerEvent
  | ServerRemovedEvent
  | ResourcesEvent
  | LogsEvent
  | SessionEvent
  | SessionDeletedEvent
  | ModelEvent
  | ModelRemovedEvent
  | DownloadStateEvent
  | EnginesEvent
  | SubscriptionDone;

export type StartEvent =
  | StartQueued
  | StartPlanning
  | StartStarting
  | StartLoading
  | StartWarming
  | StartDone
  | ErrorEvent
  | CancelledEvent;

export type InstallEvent =
  | InstallQueued
  | InstallDownloading
  | InstallVerifying
  | InstallUnpacking
  | InstallProving
  | InstallDone
  | ErrorEvent
  | CancelledEvent;

export type TurnEvent =
  | TurnQueued
  | TurnLoading
  | TurnPrefill
  | TurnReasoning
  | TurnToken
  | TurnToolCall
  | TurnDone
  | ErrorEvent
  | CancelledEvent;

export type ScanEvent =
  | ModelWork
  | ScanDone
  | ErrorEvent
  | CancelledEvent;

export type ImportEvent =
  | ModelWork
  | ImportDone
  | ErrorEvent
  | CancelledEvent;

export type DownloadEvent =
  | DownloadQueued
  | DownloadChecking
  | DownloadProgress
  | DownloadVerifying
  | DownloadPaused
  | DownloadDone
  | ErrorEvent
  | CancelledEvent;

/** The types of each method. `events` is never where it does not stream. */
export interface Methods {
  /** Introduce the host and learn what this sidecar is. Optional: a simple host may go straight to work. */
  initialize: { params: InitializeParams; result: InitializeResult; events: never };
  /** Answer immediately: the connection lives. */
  ping: { params: PingParams; result: "pong"; events: never };
  /** Stop every engine and owned process, flush, answer, exit 0. At most 5 s. */
  shutdown: { params: ShutdownParams; result: null; events: never };
  /** The contract as an OpenRPC document. */
  "rpc.discover": { params: DiscoverParams; result: Record<string, unknown>; events: never };
  /**
   * Receive the events of topics on a channel, beginning with the present state.
   *
   * The channel outlives this request: it ends with `done`, written before the response to `unsubscribe`.
   * For a host that reads slowly, the oldest log and resource events are left out and counted in `dropped`.
   */
  subscribe: { params: SubscribeParams; result: SubscribeResult; events: TopicEvent };
  /** End a subscription; its channel ends with `done` before this is answered. */
  unsubscribe: { params: UnsubscribeParams; result: UnsubscribeResult; events: never };
  /**
   * Start an engine with a model; answered when it is ready for messages.
   *
   * With no engine named the best one found is used: a configured llama.cpp folder, then the default of the builds that
   * install_engine has brought, then PATH, then the embedded engine, then llama-cpp-python.
   */
  start_llama_server: { params: StartLlamaServerParams; result: ServerInfo; events: StartEvent };
  /** Stop a server, in whatever state it is; answered when its process is gone. */
  stop_llama_server: { params: StopLlamaServerParams; result: "llama-server stopped"; events: never };
  /** Whether the server takes messages: it is ready, or sleeps until the next one. */
  is_llama_running: { params: IsLlamaRunningParams; result: boolean; events: never };
  /** The settings a server runs with; those it would start with where there is none. */
  get_llama_config: { params: GetLlamaConfigParams; result: LlamaConfig; events: never };
  /** A server, with how to reach it directly. */
  get_server: { params: GetServerParams; result: ServerDetails; events: never };
  /** Every server that was started and not stopped, failed ones too. */
  list_servers: { params: ListServersParams; result: ServerInfo[]; events: never };
  /**
   * Stop a server and start it with the same settings.
   *
   * Answers that are under way end with SERVER_NOT_RUNNING; messages that wait, or come meanwhile, wait for the new one.
   */
  restart_server: { params: RestartServerParams; result: ServerInfo; events: StartEvent };
  /**
   * Stop a server and start it with another model and otherwise the same settings. Sessions stay.
   *
   * What belongs to the model before is not kept: chat template, projector and LoRA adapters. Answers that are under way
   * end with SERVER_NOT_RUNNING; messages that wait, or come meanwhile, wait for the new one.
   */
  switch_model: { params: SwitchModelParams; result: ServerInfo; events: StartEvent };
  /** The command that start_llama_server would run. Nothing is started, nothing is written. */
  preview_command: { params: PreviewCommandParams; result: PreviewCommandResult; events: never };
  /** Ask an engine whether it is well. */
  ping_server: { params: PingServerParams; result: PingServerResult; events: never };
  /** The engines of this machine, best first; each build that install_engine has brought is one of them. */
  list_engines: { params: ListEnginesParams; result: EngineInfo[]; events: never };
  /** Ask a llama.cpp folder what it can do. */
  probe_engine: { params: ProbeEngineParams; result: ProbeEngineResult; events: never };
  /**
   * Install a llama.cpp build from a release archive (.zip, .tar.gz or .tar.xz); answered when it has proved itself.
   *
   * Give `url`, or `path`. The archive is checked and unpacked beside the other builds, and has to generate one token
   * with a tiny model that the sidecar makes for that; only then it is there. A build that can not is not kept, and the
   * default stays. Cancelling leaves nothing but what has come of a download, with which the same request goes on.
   */
  install_engine: { params: InstallEngineParams; result: EngineInfo; events: InstallEvent };
  /** Let starts that name no engine take another managed build, once it has generated a token, or none of them. */
  set_default_engine: { params: SetDefaultEngineParams; result: ManagedEngines; events: never };
  /** Remove a managed build. Where it was the default, the last one that was good is it then. */
  remove_engine: { params: RemoveEngineParams; result: ManagedEngines; events: never };
  /**
   * Say something in a session and get the answer, streamed where `channel` is given.
   *
   * Messages to one session are answered in the order they came. The user's message is kept before the first
   * event that comes from the engine is sent, the answer before `done`.
   */
  send_message: { params: SendMessageParams; result: TurnResult; events: TurnEvent };
  /** Answer again. The old answer stays as a sibling branch. */
  regenerate_message: { params: RegenerateMessageParams; result: TurnResult; events: TurnEvent };
  /** Replace a user message and answer it. The old message and all after it stay as a sibling branch. */
  edit_message: { params: EditMessageParams; result: TurnResult; events: TurnEvent };
  /** Stop the answer of a session; answered when the engine works on it no longer. */
  cancel_message: { params: CancelMessageParams; result: CancelMessageResult; events: never };
  /** Exact tokens of a text, or of a conversation with the model's template around it. */
  count_tokens: { params: CountTokensParams; result: CountTokensResult; events: never };
  /** What send_message would send, leave out, and why. Nothing is sent to the model or kept. */
  preview_context: { params: PreviewContextParams; result: PreviewContextResult; events: never };
  /**
   * Follow the running or last answer of a session again, after a reload, a lost connection or a restart.
   *
   * The events after `after_seq` are sent once more on `channel` under their old `seq`, then the new ones as they
   * come. Answered as the send_message that it follows.
   */
  resume_session: { params: ResumeSessionParams; result: TurnResult; events: TurnEvent };
  /** Say that the events of a session's last answer have arrived, so that they need not be kept for resume_session. */
  ack: { params: AckParams; result: AckResult; events: never };
  /** Make an empty session. */
  create_session: { params: CreateSessionParams; result: Session; events: never };
  /** Sessions, the last used first. */
  list_sessions: { params: ListSessionsParams; result: ListSessionsResult; events: never };
  /** One session. */
  get_session: { params: GetSessionParams; result: Session; events: never };
  /** The messages of a branch, oldest first. */
  get_messages: { params: GetMessagesParams; result: GetMessagesResult; events: never };
  /** Change a session; what is left out stays. */
  update_session: { params: UpdateSessionParams; result: Session; events: never };
  /** Delete a session. It can be brought back with restore_session until it is purged. */
  delete_session: { params: DeleteSessionParams; result: DeleteSessionResult; events: never };
  /** Undo delete_session. */
  restore_session: { params: RestoreSessionParams; result: Session; events: never };
  /**
   * Messages that hold all the words, the newest first. The last word may be unfinished, from its second letter on.
   *
   * INVALID_PARAMS with the path `$.query` is also the answer to a search that is given up because it takes too long.
   *
   * Refused while the history is encrypted (`storage.encrypt`): an index would hold its words in plain text.
   */
  search_messages: { params: SearchMessagesParams; result: SearchMessagesResult; events: never };
  /** A session as text to keep: everything as JSON, or the branch in use as Markdown. */
  export_session: { params: ExportSessionParams; result: ExportSessionResult; events: never };
  /** Bring in what export_session wrote as JSON. It gets a new id where the old one is taken. */
  import_session: { params: ImportSessionParams; result: Session; events: never };
  /** The whole config, defaults filled in. */
  get_config: { params: GetConfigParams; result: Config; events: never };
  /**
   * Change settings by a JSON merge patch (RFC 7396): what is left out stays, `null` goes back to the default.
   *
   * The file is replaced as a whole or not at all. Running servers keep the settings they were started with.
   * `storage.encrypt` rewrites the history before this is answered.
   */
  set_config: { params: SetConfigParams; result: Config; events: never };
  /** Go back to the defaults. */
  reset_config: { params: ResetConfigParams; result: Config; events: never };
  /** The JSON Schema of the config, with descriptions and defaults. */
  get_config_schema: { params: GetConfigSchemaParams; result: Record<string, unknown>; events: never };
  /** The latest lines that are still held in memory, oldest first. */
  get_logs: { params: GetLogsParams; result: GetLogsResult; events: never };
  /** Who has logged. */
  list_log_sources: { params: ListLogSourcesParams; result: LogSource[]; events: never };
  /** Forget the lines in memory and empty the files. */
  clear_logs: { params: ClearLogsParams; result: null; events: never };
  /**
   * The models in the library: the sidecar's own, those in the config's folders, and what other programs keep.
   *
   * Those of other programs are used where they lie: nothing is copied, and nothing of theirs is ever written to.
   */
  list_models: { params: ListModelsParams; result: ModelInfo[]; events: never };
  /** A model with what its header says, read to its end. */
  get_model: { params: GetModelParams; result: ModelDetails; events: never };
  /** Look at all places, as list_models does, and say what is in each and what was left out there. */
  scan_models: { params: ScanModelsParams; result: ScanModelsResult; events: ScanEvent };
  /** What a GGUF file says of itself. Only its header is read. */
  inspect_model: { params: InspectModelParams; result: InspectModelResult; events: never };
  /**
   * Bring a GGUF file into the sidecar's own models folder, with the other parts of a split model and its projector.
   *
   * Nothing there is ever overwritten. A model of another program can be linked or copied, never moved.
   */
  import_model: { params: ImportModelParams; result: ModelInfo; events: ImportEvent };
  /**
   * Delete a model in the sidecar's own folder. It can be brought back with restore_model until it is purged.
   *
   * Files of other programs and of the config's folders are never touched: of a link in our folder, only the link goes.
   */
  delete_model: { params: DeleteModelParams; result: DeletedModel; events: never };
  /** The deleted models that can be brought back, the last deleted first. */
  list_deleted_models: { params: ListDeletedModelsParams; result: TrashedModel[]; events: never };
  /** Undo delete_model: the files go back to where they were. */
  restore_model: { params: RestoreModelParams; result: ModelInfo; events: never };
  /** Delete for ever what restore_model could bring back. */
  empty_trash: { params: EmptyTrashParams; result: EmptyTrashResult; events: never };
  /**
   * Models on the hub that have GGUF files, the most downloaded first.
   *
   * The hub is Hugging Face, or the mirror that the config's `downloads.hub_endpoint` or HF_ENDPOINT names.
   */
  search_hub: { params: SearchHubParams; result: HubModel[]; events: never };
  /** The models in a repository of the hub: each quantisation with its size, and whether it fits this machine. */
  list_hub_files: { params: ListHubFilesParams; result: ListHubFilesResult; events: never };
  /**
   * Fetch a model into the library; answered when it is whole, checked and in its place.
   *
   * Give `repo`, or `url`. A split model and its projector are one download. What has come survives everything: a
   * download goes on where it was after a lost connection, a restart of the sidecar or the end of its host. Its files
   * are nobody's model until the last of them is there and right.
   *
   * Asked for again, a download that is there already is followed, and one that has failed or was paused goes on.
   * Cancelling the request pauses the download; cancel_download gives it up.
   */
  download_model: { params: DownloadModelParams; result: Download; events: DownloadEvent };
  /** Downloads that are not done, and those that ended since the sidecar started; the oldest first. */
  list_downloads: { params: ListDownloadsParams; result: Download[]; events: never };
  /** Let a download rest; what has come is kept. Answered when nothing is fetched any more. */
  pause_download: { params: PauseDownloadParams; result: Download; events: never };
  /** Let a download go on that was paused or has failed; answered at once. */
  resume_download: { params: ResumeDownloadParams; result: Download; events: never };
  /** Give a download up: what has come of it is removed. What is done stays. */
  cancel_download: { params: CancelDownloadParams; result: Download; events: never };
  /**
   * What start_llama_server would take of this machine's memory with these settings. Nothing is loaded.
   *
   * The engine's own allocator is asked where the engine has one (llama-server and the embedded engine, about half a
   * second, remembered); otherwise a formula over the model's header tells.
   */
  estimate_memory: { params: EstimateMemoryParams; result: MemoryEstimate; events: never };
  /** Settings for a model that suit this machine as it is now, each with its reason. */
  recommend_settings: { params: RecommendSettingsParams; result: RecommendSettingsResult; events: never };
  /** A reading of the machine, now. */
  get_resources: { params: GetResourcesParams; result: Resources; events: never };
}

/** The name of a method. */
export type MethodName = keyof Methods;
