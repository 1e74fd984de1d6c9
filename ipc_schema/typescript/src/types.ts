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
  | "WRONG_PROCESSOR"
  | "LIBRARY_MISMATCH"
  | "TEMPLATE_INVALID"
  | "PROJECTOR_INVALID"
  | "LORA_INVALID"
  | "DRAFT_INVALID"
  | "DEVICE_NOT_FOUND"
  | "CONTEXT_FAILED"
  | "FILE_FAULT"
  | "MEMORY_LIMIT"
  | "UNKNOWN";

/** A part of a message, as in OpenAI's API. */
export type ContentPart = TextPart | ImagePart | AudioPart;

/**
 * What happens when a conversation outgrows the model's context. `error`: CONTEXT_TOO_LONG, nothing is sent.
 * `drop_oldest`: the oldest exchanges are dropped. `keep_ends`: the first exchange stays, those after it are
 * dropped. The system prompt and the new message are never dropped, and the response always reports what was.
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

/**
 * Why an answer ended, as in OpenAI's API. `stop`: the model ended it, or one of `stop` came. `length`: `max_tokens` is
 * reached, or the context is full. `tool_calls`: the host is to carry out calls. `content_filter`: an engine with a filter
 * left something out; llama.cpp has none. Whatever else an engine says is one of these, or `stop`.
 */
export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter";

export type Fit = "gpu" | "memory" | "no";

/** Other programs whose models are found and used in place. */
export type ForeignOrigin = "huggingface" | "lm_studio" | "ollama" | "jan" | "llama_cpp";

/** Why a model is not on the GPU: decided from the engine's log, its build and the machine's hardware. */
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

/** Severity of a line, lowest first. */
export type Level = "debug" | "info" | "warning" | "error";

/** Text, or content parts. */
export type MessageContent = string | ContentPart[];

/**
 * What a GGUF file is, by its header.
 *
 * - chat: a language model with a chat template. completion: one without, most likely a base model.
 * - embedding, reranking: it makes vectors or scores of texts, and writes none.
 * - draft: the head of a larger model that guesses ahead for it (MTP, EAGLE, DFlash); it cannot run alone.
 * - projector: gives a model eyes or ears. adapter: LoRA. control_vector, imatrix: made for, or from, a model.
 * - vocabulary: a tokenizer without weights.
 * - merged: a language model and its projector in one file, which Ollama makes and llama.cpp does not load.
 * - diffusion: a generator of images or video or a part of one, or a language model that writes by diffusion.
 * - text_encoder: the text encoder of another model, such as T5 or CLIP. speech: for speech, such as Whisper.
 * - other: a GGUF file of none of these, without the tensors that a language model has.
 */
export type ModelKind =
  | "chat"
  | "completion"
  | "embedding"
  | "reranking"
  | "draft"
  | "projector"
  | "adapter"
  | "control_vector"
  | "imatrix"
  | "vocabulary"
  | "merged"
  | "diffusion"
  | "text_encoder"
  | "speech"
  | "other";

export type ModelOrigin = "own" | "folder" | "huggingface" | "lm_studio" | "ollama" | "jan" | "llama_cpp";

/**
 * What a request over the network failed at, before or in place of an answer: the proxy of this machine's settings, the
 * certificate of the server or those that this machine trusts, the address of the setting, a limit of the server.
 */
export type NetworkCause = "proxy" | "certificate" | "address" | "rate_limit";

/**
 * Why a file cannot be run. `damaged`: another download helps. `incomplete`: files of a split model are missing.
 * `wrong_form`: it is sound, and another format, or renamed, or joined. `not_a_model`: it is a GGUF file of another kind.
 * `unreadable`: it could not be read this time.
 */
export type ProblemReason = "damaged" | "incomplete" | "wrong_form" | "not_a_model" | "unreadable";

/**
 * Actions that are not methods. `retry`: the same request again. `change_params`: the same request with other
 * values of the parameters in `names`. `open_settings`: another value of the setting `key`, such as models.default.
 * `install_extra`: the optional part `extra` of the llama-sidecar package. `restart_sidecar`: end this sidecar and start
 * one again, where `options` names command-line options to change. `open_page`: the page at `address` in a browser.
 */
export type RemedyWord =
  | "retry"
  | "change_params"
  | "open_settings"
  | "install_extra"
  | "restart_sidecar"
  | "open_page";

/**
 * State of a server. `stopped` and `failed` are final. A server whose engine crashed goes through `stopping` and
 * `queued` (the pause before the restart) to `ready` again. A `sleeping` server has no engine and uses no memory; the next
 * message starts its engine again, and waits for it.
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

/** Kinds of speculative decoding, in the names of llama.cpp's --spec-type. */
export type SpecType =
  | "none"
  | "draft-simple"
  | "draft-eagle3"
  | "draft-mtp"
  | "draft-dflash"
  | "draft-dspark"
  | "ngram-simple"
  | "ngram-map-k"
  | "ngram-map-k4v"
  | "ngram-mod"
  | "ngram-cache";

/**
 * How tools reach the model, and its calls the host: in the form of its chat template; described in the prompt, with an
 * answer that is constrained to JSON; or whichever of them works.
 */
export type ToolMode = "auto" | "native" | "json";

export type Topic = "servers" | "resources" | "logs" | "sessions" | "models" | "downloads" | "engines";

/**
 * What was not honoured.
 *
 * - HISTORY_ADAPTED: earlier messages hold what this model or its template cannot take (an image, a tool turn, a role);
 *   a text was sent in its place. The stored messages are unchanged.
 * - TOOL_CALL_INCOMPLETE: the answer ended within a tool call; its arguments are cut.
 * - TOOLS_NOT_HONOURED: `tool_choice` asked for a tool call, and the model answered in prose or called another function;
 *   or a call does not follow its function's parameters.
 * - FORMAT_NOT_HONOURED: the answer does not follow `response_format`, in a keyword that the engine does not enforce, or
 *   since it was cut.
 * - REASONING_NOT_HONOURED: `reasoning`, or the server's `reasoning_budget` of 0, had no effect on this model.
 * - SAMPLING_NOT_HONOURED: the engine does not know a sampling parameter that was given.
 * - ANSWER_EMPTY: the model ended its answer without any text or tool call.
 * - NO_CHAT_TEMPLATE: the model has no chat template; it is likely a base model, which continues text.
 * - SPECIAL_TOKENS_IN_TEXT: a message contains the spelling of a control token of the model, which the engine may read as
 *   that token.
 * - CONTEXT_SHARED: the answer ended before its context was full, since other messages answered at the same time use the
 *   rest of the context that they share.
 * - TOKEN_REFUSED: the hub refuses the user's token, which may have expired; it was left out, which is enough for public
 *   models.
 */
export type WarningCode =
  | "HISTORY_ADAPTED"
  | "TOOL_CALL_INCOMPLETE"
  | "TOOLS_NOT_HONOURED"
  | "FORMAT_NOT_HONOURED"
  | "REASONING_NOT_HONOURED"
  | "SAMPLING_NOT_HONOURED"
  | "ANSWER_EMPTY"
  | "NO_CHAT_TEMPLATE"
  | "SPECIAL_TOKENS_IN_TEXT"
  | "CONTEXT_SHARED"
  | "TOKEN_REFUSED";

/** The managed builds. */
export interface ManagedEngines {
  /** The build that starts use. */
  default: string | null;
  /** All builds: the default first, then the last good ones. */
  engines: EngineInfo[];
}

/**
 * Install a llama.cpp build from a release archive (.zip, .tar.gz or .tar.xz); answered once the build is proved.
 *
 * Give `url` or `path`. The archive is checked and unpacked beside the other builds. The build must generate one token
 * with a tiny model that the sidecar creates for this; only then is it installed. A build that fails is removed, and
 * the default does not change. Cancelling keeps only the downloaded part, from which the same request resumes.
 */
export interface InstallEngineParams {
  /** https address of the archive. Requires `sha256`. */
  url?: string | null | undefined;
  /** Absolute path of the archive on this machine. */
  path?: string | null | undefined;
  /** Expected SHA-256 of the archive, as GitHub shows it beside each file of a release. */
  sha256?: string | null | undefined;
  /** Name of the build. Default: from the name of the archive. */
  name?: string | null | undefined;
  /** Whether starts that name no engine use it. Default true. */
  make_default?: boolean | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
}

/** The request waits for another installation to finish. */
export interface InstallQueued {
  status: "queued";
}

/** Progress of the archive's download. */
export interface InstallDownloading {
  status: "downloading";
  received_bytes: number;
  total_bytes: number | null;
  bytes_per_second: number | null;
  eta_seconds: number | null;
  /** Why no data arrives, while the download retries. */
  waiting: string | null;
}

/** The archive is complete, and its hash is being computed. */
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

/** The build is being proved: it generates a token. */
export interface InstallProving {
  status: "proving";
}

/** The build is installed; the members are the response's. */
export interface InstallDone extends EngineInfo {
  status: "done";
}

/** Choose the managed build for starts that name no engine, once it is proved; or none. */
export interface SetDefaultEngineParams {
  /** As in list_engines. Default: none. */
  name?: string | null | undefined;
}

/** Remove a managed build. If it was the default, the last good build becomes the default. */
export interface RemoveEngineParams {
  /** As in list_engines. */
  name: string;
}

/** The result of a tool call. */
export interface ToolResult {
  /** `id` of the tool call. */
  tool_call_id: string;
  /** Text or content parts, such as an image for a vision model. */
  content: MessageContent;
}

/**
 * Send a message to a session and get the answer, streamed if `channel` is given.
 *
 * Messages to one session are answered in order of arrival. The user's message is stored before the first event
 * from the engine is sent, and the answer is stored before `done`.
 */
export interface SendMessageParams {
  /** 0 always chooses the likeliest token. */
  temperature?: number | null | undefined;
  /** Nucleus sampling; 1 disables it. */
  top_p?: number | null | undefined;
  /** Likeliest tokens to choose from; 0 is all. */
  top_k?: number | null | undefined;
  /** Minimum probability, relative to that of the likeliest token. */
  min_p?: number | null | undefined;
  /** Maximum length of the answer. Default: until the model stops or the context is full. */
  max_tokens?: number | null | undefined;
  /** 1 disables it. */
  repeat_penalty?: number | null | undefined;
  /** -1 chooses a new seed each time. */
  seed?: number | null | undefined;
  /** Texts that end the answer. */
  stop?: string[] | string | null | undefined;
  /** Makes tokens less likely the more often they were used. Engine's default: 0, disabled. */
  frequency_penalty?: number | null | undefined;
  /** Makes tokens less likely that were used. Engine's default: 0, disabled. */
  presence_penalty?: number | null | undefined;
  /** How many last tokens the penalties count; 0 is none. Engine's default: 64. */
  repeat_last_n?: number | null | undefined;
  /** Locally typical sampling. Engine's default: 1, disabled. */
  typical_p?: number | null | undefined;
  /** Tokens within so many standard deviations of the likeliest. Engine's default: -1, disabled. */
  top_n_sigma?: number | null | undefined;
  /** How often XTC excludes the likeliest tokens. Engine's default: 0, never. */
  xtc_probability?: number | null | undefined;
  /** Probability above which XTC excludes; beyond 0.5 it has no effect. Engine's default: 0.1. */
  xtc_threshold?: number | null | undefined;
  /** Strength of DRY against repeated sequences. Engine's default: 0, disabled. */
  dry_multiplier?: number | null | undefined;
  /** How DRY grows with the length of a repetition. Engine's default: 1.75. */
  dry_base?: number | null | undefined;
  /** Tokens that may repeat without DRY. Engine's default: 2. */
  dry_allowed_length?: number | null | undefined;
  /** How many last tokens DRY searches; 0 is none. Engine's default: 64. */
  dry_penalty_last_n?: number | null | undefined;
  /** Texts at which DRY begins again. Engine's default: "\n", ":", "\"", "*". */
  dry_sequence_breakers?: string[] | null | undefined;
  /** How far the temperature moves with the entropy. Engine's default: 0, disabled. */
  dynatemp_range?: number | null | undefined;
  /** How fast it moves with the entropy. Engine's default: 1. */
  dynatemp_exponent?: number | null | undefined;
  /** Mirostat 1 or 2 in place of top_k, top_p and typical_p. Engine's default: 0, disabled. */
  mirostat?: number | null | undefined;
  /** Entropy that Mirostat aims at. Engine's default: 5. */
  mirostat_tau?: number | null | undefined;
  /** Mirostat's learning rate. Engine's default: 0.1. */
  mirostat_eta?: number | null | undefined;
  /** Added to a token's logit, -100 to 100. A key is the token's number, or else its text. */
  logit_bias?: Record<string, number> | null | undefined;
  /** A grammar in GBNF that the answer follows; not together with response_format or tools. */
  grammar?: string | null | undefined;
  /** Return how likely each token was, as `logprobs` of the result; not together with tools. */
  logprobs?: boolean | null | undefined;
  /** Likeliest tokens to return at each place; more than 0 includes `logprobs`. Default 0. */
  top_logprobs?: number | null | undefined;
  /** Further sampling parameters in the engine's own words, passed on as they are; llama.cpp ignores those that it does not know. Names that have a parameter here, or change what is asked, are refused. */
  sampling_extra?: Record<string, unknown> | null | undefined;
  /** Default: the session's, else "default", else the only server running. */
  server_id?: string | null | undefined;
  /** Functions the model may call, in OpenAI's format. NOT_SUPPORTED if the model's chat template has no place for them; `tool_mode` has another way. */
  tools?: Record<string, unknown>[] | null | undefined;
  /** Same as OpenAI's tool_choice. */
  tool_choice?: "auto" | "none" | "required" | Record<string, unknown> | null | undefined;
  /** "native": tools as the chat template shows them, and calls as the engine reads them. "json": tools are described in the prompt, and the answer is constrained to one call, or to text where no call is required; for any model. Default "auto": native where the template has tools; a required or named call is constrained, also where the template has none. */
  tool_mode?: ToolMode | null | undefined;
  /** Same as OpenAI's response_format: a JSON schema the answer must follow. The answer is compared with it; patterns that cannot be enforced are refused. */
  response_format?: Record<string, unknown> | null | undefined;
  /** Whether a reasoning model may reason. Default: the model's own default. */
  reasoning?: boolean | null | undefined;
  /** Name in the config's `chat_presets`; parameters given here override it. */
  preset?: string | null | undefined;
  /** Default: the session's, else the config's. */
  context_policy?: ContextPolicy | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
  /** Text or content parts, kept as they are. */
  message: MessageContent;
  /** "tagged": a string <|system|>…<|end|><|user|>…<|end|> is read as a system prompt and messages. Default "plain": nothing in the text is a mark. */
  message_format?: "plain" | "tagged" | null | undefined;
  /** Left out, or a UUID not in use: a new session is created. */
  session_id?: string | null | undefined;
  /** System prompt; stored as the session's from now on. */
  system?: string | null | undefined;
  /** Images for a vision model: data: URLs, bare base64, or absolute paths of image files. PNG, JPEG, WebP, GIF, BMP, TIFF and AVIF; turned upright and scaled down to 2048 pixels a side. */
  images?: string[] | null | undefined;
  /** Results of the model's tool calls, in place of a message: leave `message` empty. */
  tool_results?: ToolResult[] | null | undefined;
  /** A text in which {message} is replaced by the message. */
  template?: string | null | undefined;
  /** Chosen by the host for this message, to send it again without doubling it: the same message with the same key follows the running answer, or returns the stored one; after a failure the stored message is answered again. Known for a day, also after a restart. */
  idempotency_key?: string | null | undefined;
}

/** Accepted; `position` messages are ahead of it. */
export interface TurnQueued {
  status: "queued";
  position: number;
  /** The session; also of one that the message creates. */
  session_id?: string;
}

/** The message waits for an engine that is being started: for the first time, after a crash, or after a sleep. */
export interface TurnLoading {
  status: "loading";
  /** Component being loaded, such as text_model or mmproj_model. */
  stage: string;
  /** 0 to 1 over all stages; null if the engine does not report it. */
  progress: number | null;
}

/** The prompt is being processed. */
export interface TurnPrefill {
  status: "prefill";
  processed: number;
  total: number;
  cached: number;
}

/** The next piece of the model's reasoning. */
export interface TurnReasoning {
  status: "reasoning";
  reasoning: string;
}

/** The next piece of the answer. */
export interface TurnToken {
  status: "token";
  chunk: string;
}

/** The model requests a function call; the call is complete. */
export interface TurnToolCall {
  status: "tool_call";
  tool_call: ToolCall;
}

/** How the context was used. Everything that was left out is counted here. */
export interface ContextUse {
  policy: ContextPolicy;
  /** Tokens that prompt and answer may use together. */
  max_context: number;
  /** Tokens of prompt and answer. */
  used: number;
  /** Messages of the branch not sent to the model. */
  dropped_messages: number;
}

/** The answer is complete and stored; the members are the response's. */
export interface TurnDone extends TurnResult {
  status: "done";
}

/** The answer. */
export interface TurnResult {
  session_id: string;
  /** Id of the answer. */
  message_id: string;
  /** Id of the message it answers. */
  user_message_id: string | null;
  content: string;
  reasoning?: string;
  tool_calls?: ToolCall[];
  /** How likely the tokens of `content` were, if asked for. They are not stored. */
  logprobs?: TokenLogprob[];
  /** `length`: `max_tokens` is reached or the context is full. */
  finish_reason: FinishReason;
  usage: Usage;
  timings: Timings;
  context: ContextUse;
  /** What of the request was accepted but not fully honoured; empty if nothing. */
  warnings: ResultWarning[];
}

/** Generate an answer again. The old answer stays as a sibling branch. */
export interface RegenerateMessageParams {
  /** 0 always chooses the likeliest token. */
  temperature?: number | null | undefined;
  /** Nucleus sampling; 1 disables it. */
  top_p?: number | null | undefined;
  /** Likeliest tokens to choose from; 0 is all. */
  top_k?: number | null | undefined;
  /** Minimum probability, relative to that of the likeliest token. */
  min_p?: number | null | undefined;
  /** Maximum length of the answer. Default: until the model stops or the context is full. */
  max_tokens?: number | null | undefined;
  /** 1 disables it. */
  repeat_penalty?: number | null | undefined;
  /** -1 chooses a new seed each time. */
  seed?: number | null | undefined;
  /** Texts that end the answer. */
  stop?: string[] | string | null | undefined;
  /** Makes tokens less likely the more often they were used. Engine's default: 0, disabled. */
  frequency_penalty?: number | null | undefined;
  /** Makes tokens less likely that were used. Engine's default: 0, disabled. */
  presence_penalty?: number | null | undefined;
  /** How many last tokens the penalties count; 0 is none. Engine's default: 64. */
  repeat_last_n?: number | null | undefined;
  /** Locally typical sampling. Engine's default: 1, disabled. */
  typical_p?: number | null | undefined;
  /** Tokens within so many standard deviations of the likeliest. Engine's default: -1, disabled. */
  top_n_sigma?: number | null | undefined;
  /** How often XTC excludes the likeliest tokens. Engine's default: 0, never. */
  xtc_probability?: number | null | undefined;
  /** Probability above which XTC excludes; beyond 0.5 it has no effect. Engine's default: 0.1. */
  xtc_threshold?: number | null | undefined;
  /** Strength of DRY against repeated sequences. Engine's default: 0, disabled. */
  dry_multiplier?: number | null | undefined;
  /** How DRY grows with the length of a repetition. Engine's default: 1.75. */
  dry_base?: number | null | undefined;
  /** Tokens that may repeat without DRY. Engine's default: 2. */
  dry_allowed_length?: number | null | undefined;
  /** How many last tokens DRY searches; 0 is none. Engine's default: 64. */
  dry_penalty_last_n?: number | null | undefined;
  /** Texts at which DRY begins again. Engine's default: "\n", ":", "\"", "*". */
  dry_sequence_breakers?: string[] | null | undefined;
  /** How far the temperature moves with the entropy. Engine's default: 0, disabled. */
  dynatemp_range?: number | null | undefined;
  /** How fast it moves with the entropy. Engine's default: 1. */
  dynatemp_exponent?: number | null | undefined;
  /** Mirostat 1 or 2 in place of top_k, top_p and typical_p. Engine's default: 0, disabled. */
  mirostat?: number | null | undefined;
  /** Entropy that Mirostat aims at. Engine's default: 5. */
  mirostat_tau?: number | null | undefined;
  /** Mirostat's learning rate. Engine's default: 0.1. */
  mirostat_eta?: number | null | undefined;
  /** Added to a token's logit, -100 to 100. A key is the token's number, or else its text. */
  logit_bias?: Record<string, number> | null | undefined;
  /** A grammar in GBNF that the answer follows; not together with response_format or tools. */
  grammar?: string | null | undefined;
  /** Return how likely each token was, as `logprobs` of the result; not together with tools. */
  logprobs?: boolean | null | undefined;
  /** Likeliest tokens to return at each place; more than 0 includes `logprobs`. Default 0. */
  top_logprobs?: number | null | undefined;
  /** Further sampling parameters in the engine's own words, passed on as they are; llama.cpp ignores those that it does not know. Names that have a parameter here, or change what is asked, are refused. */
  sampling_extra?: Record<string, unknown> | null | undefined;
  /** Default: the session's, else "default", else the only server running. */
  server_id?: string | null | undefined;
  /** Functions the model may call, in OpenAI's format. NOT_SUPPORTED if the model's chat template has no place for them; `tool_mode` has another way. */
  tools?: Record<string, unknown>[] | null | undefined;
  /** Same as OpenAI's tool_choice. */
  tool_choice?: "auto" | "none" | "required" | Record<string, unknown> | null | undefined;
  /** "native": tools as the chat template shows them, and calls as the engine reads them. "json": tools are described in the prompt, and the answer is constrained to one call, or to text where no call is required; for any model. Default "auto": native where the template has tools; a required or named call is constrained, also where the template has none. */
  tool_mode?: ToolMode | null | undefined;
  /** Same as OpenAI's response_format: a JSON schema the answer must follow. The answer is compared with it; patterns that cannot be enforced are refused. */
  response_format?: Record<string, unknown> | null | undefined;
  /** Whether a reasoning model may reason. Default: the model's own default. */
  reasoning?: boolean | null | undefined;
  /** Name in the config's `chat_presets`; parameters given here override it. */
  preset?: string | null | undefined;
  /** Default: the session's, else the config's. */
  context_policy?: ContextPolicy | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
  session_id: string;
  /** The answer to generate again. Default: the last one. */
  message_id?: string | null | undefined;
}

/** Replace a user message and answer it. The old message and all after it stay as a sibling branch. */
export interface EditMessageParams {
  /** 0 always chooses the likeliest token. */
  temperature?: number | null | undefined;
  /** Nucleus sampling; 1 disables it. */
  top_p?: number | null | undefined;
  /** Likeliest tokens to choose from; 0 is all. */
  top_k?: number | null | undefined;
  /** Minimum probability, relative to that of the likeliest token. */
  min_p?: number | null | undefined;
  /** Maximum length of the answer. Default: until the model stops or the context is full. */
  max_tokens?: number | null | undefined;
  /** 1 disables it. */
  repeat_penalty?: number | null | undefined;
  /** -1 chooses a new seed each time. */
  seed?: number | null | undefined;
  /** Texts that end the answer. */
  stop?: string[] | string | null | undefined;
  /** Makes tokens less likely the more often they were used. Engine's default: 0, disabled. */
  frequency_penalty?: number | null | undefined;
  /** Makes tokens less likely that were used. Engine's default: 0, disabled. */
  presence_penalty?: number | null | undefined;
  /** How many last tokens the penalties count; 0 is none. Engine's default: 64. */
  repeat_last_n?: number | null | undefined;
  /** Locally typical sampling. Engine's default: 1, disabled. */
  typical_p?: number | null | undefined;
  /** Tokens within so many standard deviations of the likeliest. Engine's default: -1, disabled. */
  top_n_sigma?: number | null | undefined;
  /** How often XTC excludes the likeliest tokens. Engine's default: 0, never. */
  xtc_probability?: number | null | undefined;
  /** Probability above which XTC excludes; beyond 0.5 it has no effect. Engine's default: 0.1. */
  xtc_threshold?: number | null | undefined;
  /** Strength of DRY against repeated sequences. Engine's default: 0, disabled. */
  dry_multiplier?: number | null | undefined;
  /** How DRY grows with the length of a repetition. Engine's default: 1.75. */
  dry_base?: number | null | undefined;
  /** Tokens that may repeat without DRY. Engine's default: 2. */
  dry_allowed_length?: number | null | undefined;
  /** How many last tokens DRY searches; 0 is none. Engine's default: 64. */
  dry_penalty_last_n?: number | null | undefined;
  /** Texts at which DRY begins again. Engine's default: "\n", ":", "\"", "*". */
  dry_sequence_breakers?: string[] | null | undefined;
  /** How far the temperature moves with the entropy. Engine's default: 0, disabled. */
  dynatemp_range?: number | null | undefined;
  /** How fast it moves with the entropy. Engine's default: 1. */
  dynatemp_exponent?: number | null | undefined;
  /** Mirostat 1 or 2 in place of top_k, top_p and typical_p. Engine's default: 0, disabled. */
  mirostat?: number | null | undefined;
  /** Entropy that Mirostat aims at. Engine's default: 5. */
  mirostat_tau?: number | null | undefined;
  /** Mirostat's learning rate. Engine's default: 0.1. */
  mirostat_eta?: number | null | undefined;
  /** Added to a token's logit, -100 to 100. A key is the token's number, or else its text. */
  logit_bias?: Record<string, number> | null | undefined;
  /** A grammar in GBNF that the answer follows; not together with response_format or tools. */
  grammar?: string | null | undefined;
  /** Return how likely each token was, as `logprobs` of the result; not together with tools. */
  logprobs?: boolean | null | undefined;
  /** Likeliest tokens to return at each place; more than 0 includes `logprobs`. Default 0. */
  top_logprobs?: number | null | undefined;
  /** Further sampling parameters in the engine's own words, passed on as they are; llama.cpp ignores those that it does not know. Names that have a parameter here, or change what is asked, are refused. */
  sampling_extra?: Record<string, unknown> | null | undefined;
  /** Default: the session's, else "default", else the only server running. */
  server_id?: string | null | undefined;
  /** Functions the model may call, in OpenAI's format. NOT_SUPPORTED if the model's chat template has no place for them; `tool_mode` has another way. */
  tools?: Record<string, unknown>[] | null | undefined;
  /** Same as OpenAI's tool_choice. */
  tool_choice?: "auto" | "none" | "required" | Record<string, unknown> | null | undefined;
  /** "native": tools as the chat template shows them, and calls as the engine reads them. "json": tools are described in the prompt, and the answer is constrained to one call, or to text where no call is required; for any model. Default "auto": native where the template has tools; a required or named call is constrained, also where the template has none. */
  tool_mode?: ToolMode | null | undefined;
  /** Same as OpenAI's response_format: a JSON schema the answer must follow. The answer is compared with it; patterns that cannot be enforced are refused. */
  response_format?: Record<string, unknown> | null | undefined;
  /** Whether a reasoning model may reason. Default: the model's own default. */
  reasoning?: boolean | null | undefined;
  /** Name in the config's `chat_presets`; parameters given here override it. */
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

/**
 * Continue an answer that was cut: it reached max_tokens, was cancelled or interrupted, or a person has edited it.
 *
 * The answer stays one message with its id. Events carry the new text, the result the whole. It has to be the end of
 * its branch, and an engine without assistant prefill refuses with NOT_SUPPORTED. The model does not reason again.
 */
export interface ContinueMessageParams {
  /** 0 always chooses the likeliest token. */
  temperature?: number | null | undefined;
  /** Nucleus sampling; 1 disables it. */
  top_p?: number | null | undefined;
  /** Likeliest tokens to choose from; 0 is all. */
  top_k?: number | null | undefined;
  /** Minimum probability, relative to that of the likeliest token. */
  min_p?: number | null | undefined;
  /** Maximum length of the answer. Default: until the model stops or the context is full. */
  max_tokens?: number | null | undefined;
  /** 1 disables it. */
  repeat_penalty?: number | null | undefined;
  /** -1 chooses a new seed each time. */
  seed?: number | null | undefined;
  /** Texts that end the answer. */
  stop?: string[] | string | null | undefined;
  /** Makes tokens less likely the more often they were used. Engine's default: 0, disabled. */
  frequency_penalty?: number | null | undefined;
  /** Makes tokens less likely that were used. Engine's default: 0, disabled. */
  presence_penalty?: number | null | undefined;
  /** How many last tokens the penalties count; 0 is none. Engine's default: 64. */
  repeat_last_n?: number | null | undefined;
  /** Locally typical sampling. Engine's default: 1, disabled. */
  typical_p?: number | null | undefined;
  /** Tokens within so many standard deviations of the likeliest. Engine's default: -1, disabled. */
  top_n_sigma?: number | null | undefined;
  /** How often XTC excludes the likeliest tokens. Engine's default: 0, never. */
  xtc_probability?: number | null | undefined;
  /** Probability above which XTC excludes; beyond 0.5 it has no effect. Engine's default: 0.1. */
  xtc_threshold?: number | null | undefined;
  /** Strength of DRY against repeated sequences. Engine's default: 0, disabled. */
  dry_multiplier?: number | null | undefined;
  /** How DRY grows with the length of a repetition. Engine's default: 1.75. */
  dry_base?: number | null | undefined;
  /** Tokens that may repeat without DRY. Engine's default: 2. */
  dry_allowed_length?: number | null | undefined;
  /** How many last tokens DRY searches; 0 is none. Engine's default: 64. */
  dry_penalty_last_n?: number | null | undefined;
  /** Texts at which DRY begins again. Engine's default: "\n", ":", "\"", "*". */
  dry_sequence_breakers?: string[] | null | undefined;
  /** How far the temperature moves with the entropy. Engine's default: 0, disabled. */
  dynatemp_range?: number | null | undefined;
  /** How fast it moves with the entropy. Engine's default: 1. */
  dynatemp_exponent?: number | null | undefined;
  /** Mirostat 1 or 2 in place of top_k, top_p and typical_p. Engine's default: 0, disabled. */
  mirostat?: number | null | undefined;
  /** Entropy that Mirostat aims at. Engine's default: 5. */
  mirostat_tau?: number | null | undefined;
  /** Mirostat's learning rate. Engine's default: 0.1. */
  mirostat_eta?: number | null | undefined;
  /** Added to a token's logit, -100 to 100. A key is the token's number, or else its text. */
  logit_bias?: Record<string, number> | null | undefined;
  /** A grammar in GBNF that the answer follows; not together with response_format or tools. */
  grammar?: string | null | undefined;
  /** Return how likely each token was, as `logprobs` of the result; not together with tools. */
  logprobs?: boolean | null | undefined;
  /** Likeliest tokens to return at each place; more than 0 includes `logprobs`. Default 0. */
  top_logprobs?: number | null | undefined;
  /** Further sampling parameters in the engine's own words, passed on as they are; llama.cpp ignores those that it does not know. Names that have a parameter here, or change what is asked, are refused. */
  sampling_extra?: Record<string, unknown> | null | undefined;
  /** Default: the session's, else "default", else the only server running. */
  server_id?: string | null | undefined;
  /** Functions the model may call, in OpenAI's format. NOT_SUPPORTED if the model's chat template has no place for them; `tool_mode` has another way. */
  tools?: Record<string, unknown>[] | null | undefined;
  /** Same as OpenAI's tool_choice. */
  tool_choice?: "auto" | "none" | "required" | Record<string, unknown> | null | undefined;
  /** "native": tools as the chat template shows them, and calls as the engine reads them. "json": tools are described in the prompt, and the answer is constrained to one call, or to text where no call is required; for any model. Default "auto": native where the template has tools; a required or named call is constrained, also where the template has none. */
  tool_mode?: ToolMode | null | undefined;
  /** Same as OpenAI's response_format: a JSON schema the answer must follow. The answer is compared with it; patterns that cannot be enforced are refused. */
  response_format?: Record<string, unknown> | null | undefined;
  /** Whether a reasoning model may reason. Default: the model's own default. */
  reasoning?: boolean | null | undefined;
  /** Name in the config's `chat_presets`; parameters given here override it. */
  preset?: string | null | undefined;
  /** Default: the session's, else the config's. */
  context_policy?: ContextPolicy | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
  session_id: string;
  /** The answer to continue. Default: the last one. */
  message_id?: string | null | undefined;
}

/**
 * Delete one message permanently. The messages after it stay, and follow the one before it.
 *
 * A branch that ends with it ends with the message before it, or continues on the newest branch from there. A message
 * that is being written is refused: cancel it first.
 */
export interface DeleteMessageParams {
  session_id: string;
  /** The message. */
  message_id: string;
}

/**
 * Replace the text of a message in place, as a person's correction; it is marked with `edited_at`.
 *
 * Nothing is answered again, and the old text is not kept: edit_message makes a branch instead. Images stay.
 */
export interface UpdateMessageParams {
  session_id: string;
  /** The message. */
  message_id: string;
  /** The new text. */
  content: string;
}

/** Stop a session's answer; answered when the engine no longer works on it. */
export interface CancelMessageParams {
  session_id: string;
}

/** What was stopped. */
export interface CancelMessageResult {
  /** Answers stopped: the running one and those queued behind it. */
  cancelled: number;
  /** Whether the engine is idle again; null if it does not report that. */
  engine_idle: boolean | null;
  /** Set if the engine did not stop by itself and was ended; its server starts another one. */
  engine_ended?: boolean;
}

/** Count the exact tokens of a text, or of a conversation in the model's chat template. */
export interface CountTokensParams {
  /** As in send_message; it is not stored. */
  system?: string | null | undefined;
  /** As in send_message. */
  images?: string[] | null | undefined;
  /** As in send_message. */
  tools?: Record<string, unknown>[] | null | undefined;
  /** As in send_message. */
  tool_choice?: "auto" | "none" | "required" | Record<string, unknown> | null | undefined;
  /** As in send_message. */
  tool_mode?: ToolMode | null | undefined;
  /** As in send_message. */
  response_format?: Record<string, unknown> | null | undefined;
  /** As in send_message. */
  reasoning?: boolean | null | undefined;
  /** As in send_message. */
  preset?: string | null | undefined;
  /** Plain text, without a template. */
  text?: string | null | undefined;
  /** Count this session's branch in use, as it would be sent. */
  session_id?: string | null | undefined;
  /** A further user message at its end. */
  message?: MessageContent | null | undefined;
  server_id?: string | null | undefined;
}

/** The token count. */
export interface CountTokensResult {
  tokens: number;
  max_context: number;
}

/** Show what send_message would send and leave out, and why. Nothing is sent to the model or stored. */
export interface PreviewContextParams {
  /** As in send_message; it is not stored. */
  system?: string | null | undefined;
  /** As in send_message. */
  images?: string[] | null | undefined;
  /** As in send_message. */
  tools?: Record<string, unknown>[] | null | undefined;
  /** As in send_message. */
  tool_choice?: "auto" | "none" | "required" | Record<string, unknown> | null | undefined;
  /** As in send_message. */
  tool_mode?: ToolMode | null | undefined;
  /** As in send_message. */
  response_format?: Record<string, unknown> | null | undefined;
  /** As in send_message. */
  reasoning?: boolean | null | undefined;
  /** As in send_message. */
  preset?: string | null | undefined;
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
  /** Whether the message would be sent; false means CONTEXT_TOO_LONG. */
  fits: boolean;
  max_context: number;
  /** Tokens that would be sent; of the whole conversation if it does not fit. */
  input_length: number;
  /** Tokens reserved for the answer when messages are left out. */
  reserved: number;
  /** Ids of the messages that would be sent, oldest first. */
  sent_messages: string[];
  dropped: DroppedMessage[];
}

/**
 * Follow the running or last answer of a session again, after a reload, a lost connection or a restart.
 *
 * The events after `after_seq` are sent again on `channel` under their old `seq`, then the new ones as they
 * occur. The response is that of the send_message that is followed.
 */
export interface ResumeSessionParams {
  session_id: string;
  /** The last `seq` the host received. Default 0: send everything. */
  after_seq?: number | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
}

/** Acknowledge the events of a session's last answer, so that they need not be kept for resume_session. */
export interface AckParams {
  session_id: string;
  /** `seq` of the last event received. Default: all, once the answer has ended. */
  seq?: number | null | undefined;
}

/** How many events are still kept. */
export interface AckResult {
  kept_events: number;
}

/** Return the whole config, with defaults filled in. */
export type GetConfigParams = Record<string, never>;

/** Which engine to use. */
export interface EnginesConfig {
  /** Folder of a llama.cpp build to prefer. */
  llama_cpp_path?: string | null | undefined;
  /** Engine to use if none is named. */
  preferred?: EngineName | null | undefined;
  /** Python interpreter that has llama-cpp-python, if the sidecar's own does not. */
  python?: string | null | undefined;
  /** How long an engine may start without progress. An engine that only writes to its log is stopped after five times as long. */
  start_timeout_seconds?: number | undefined;
  /** How long a ready engine may leave a health check unanswered before it is restarted. */
  health_timeout_seconds?: number | undefined;
  /** Automatic restarts of a crashing engine within three minutes of being ready, before its server fails; 0 for none. At most five starts happen in that time, the first one included. */
  max_restarts?: number | undefined;
  /** Idle timeout: minutes without a request after which a server's engine is stopped and its memory freed; the next message starts it again. Servers on a port of their own are not stopped. null: never. */
  idle_unload_minutes?: number | null | undefined;
  /** How many servers may have their model loaded. A start beyond that evicts the least recently used server, and waits while all of them are answering. null: as many as fit in memory. */
  max_loaded?: number | null | undefined;
  /** Evict idle servers, the least recently used first, if a start would not fit in memory beside them. */
  make_room?: boolean | undefined;
  /** How long an engine may take to exit before it is killed. */
  stop_grace_seconds?: number | undefined;
}

/** Where models are found. */
export interface ModelsConfig {
  /** Folders to list besides the sidecar's own; they are read only. */
  folders?: string[] | undefined;
  /** Model to start if none is named. */
  default?: string | null | undefined;
  /** Other programs whose models are listed and used in place; [] for none. Default: all. Their files are read only. */
  sources?: ForeignOrigin[] | null | undefined;
  /** How long a deleted model can be restored; it uses disk space until then. */
  deleted_retention_days?: number | undefined;
}

/** How models are downloaded. A change applies immediately, also to running downloads. */
export interface DownloadsConfig {
  /** Rate limit of all downloads together. Default: none. */
  max_bytes_per_second?: number | null | undefined;
  /** Downloads that run concurrently; the others wait in order. */
  at_once?: number | undefined;
  /** Parts of a file that are downloaded in parallel. */
  connections?: number | undefined;
  /** Whether downloads that a restart interrupted resume automatically, once a host has called initialize. */
  resume_at_start?: boolean | undefined;
  /** Retry budget: how long a download that receives no data retries before it fails. */
  retry_seconds?: number | undefined;
  /** A mirror of Hugging Face. Default: HF_ENDPOINT, else https://huggingface.co. */
  hub_endpoint?: string | null | undefined;
  /** File or folder of further root certificates (PEM), such as that of a company's proxy, for the hub and for downloads. Those of SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE replace the system's. */
  ca_file?: string | null | undefined;
  /** Hosts of hubs, other than huggingface.co and this machine, that also receive the user's token if hub_endpoint or HF_ENDPOINT names them, over https. Default: none, so that a mirror does not get it. */
  token_hosts?: string[] | undefined;
  /** Also download from this machine and the local network, there also without TLS. */
  allow_private_addresses?: boolean | undefined;
}

/** Default start settings. */
export interface ServerDefaults {
  ctx_size?: number | undefined;
  parallel?: number | undefined;
  n_gpu_layers?: number | undefined;
  /** CPU threads; fewer than cores if other programs need some. Default: the engine's choice. */
  threads?: number | null | undefined;
  /** Main memory of an engine for earlier prompts, MiB; -1 is no limit, 0 none. Default: an eighth of the machine's memory beyond 4 GiB, 8192 at most. */
  cache_ram_mib?: number | null | undefined;
}

/** Chat settings, used where neither message nor session has them. */
export interface ChatConfig {
  /** 0 always chooses the likeliest token. */
  temperature?: number | null | undefined;
  /** Nucleus sampling; 1 disables it. */
  top_p?: number | null | undefined;
  /** Likeliest tokens to choose from; 0 is all. */
  top_k?: number | null | undefined;
  /** Minimum probability, relative to that of the likeliest token. */
  min_p?: number | null | undefined;
  /** Maximum length of the answer. Default: until the model stops or the context is full. */
  max_tokens?: number | null | undefined;
  /** 1 disables it. */
  repeat_penalty?: number | null | undefined;
  /** -1 chooses a new seed each time. */
  seed?: number | null | undefined;
  /** Texts that end the answer. */
  stop?: string[] | string | null | undefined;
  /** Makes tokens less likely the more often they were used. Engine's default: 0, disabled. */
  frequency_penalty?: number | null | undefined;
  /** Makes tokens less likely that were used. Engine's default: 0, disabled. */
  presence_penalty?: number | null | undefined;
  /** How many last tokens the penalties count; 0 is none. Engine's default: 64. */
  repeat_last_n?: number | null | undefined;
  /** Locally typical sampling. Engine's default: 1, disabled. */
  typical_p?: number | null | undefined;
  /** Tokens within so many standard deviations of the likeliest. Engine's default: -1, disabled. */
  top_n_sigma?: number | null | undefined;
  /** How often XTC excludes the likeliest tokens. Engine's default: 0, never. */
  xtc_probability?: number | null | undefined;
  /** Probability above which XTC excludes; beyond 0.5 it has no effect. Engine's default: 0.1. */
  xtc_threshold?: number | null | undefined;
  /** Strength of DRY against repeated sequences. Engine's default: 0, disabled. */
  dry_multiplier?: number | null | undefined;
  /** How DRY grows with the length of a repetition. Engine's default: 1.75. */
  dry_base?: number | null | undefined;
  /** Tokens that may repeat without DRY. Engine's default: 2. */
  dry_allowed_length?: number | null | undefined;
  /** How many last tokens DRY searches; 0 is none. Engine's default: 64. */
  dry_penalty_last_n?: number | null | undefined;
  /** Texts at which DRY begins again. Engine's default: "\n", ":", "\"", "*". */
  dry_sequence_breakers?: string[] | null | undefined;
  /** How far the temperature moves with the entropy. Engine's default: 0, disabled. */
  dynatemp_range?: number | null | undefined;
  /** How fast it moves with the entropy. Engine's default: 1. */
  dynatemp_exponent?: number | null | undefined;
  /** Mirostat 1 or 2 in place of top_k, top_p and typical_p. Engine's default: 0, disabled. */
  mirostat?: number | null | undefined;
  /** Entropy that Mirostat aims at. Engine's default: 5. */
  mirostat_tau?: number | null | undefined;
  /** Mirostat's learning rate. Engine's default: 0.1. */
  mirostat_eta?: number | null | undefined;
  /** Added to a token's logit, -100 to 100. A key is the token's number, or else its text. */
  logit_bias?: Record<string, number> | null | undefined;
  /** A grammar in GBNF that the answer follows; not together with response_format or tools. */
  grammar?: string | null | undefined;
  /** Return how likely each token was, as `logprobs` of the result; not together with tools. */
  logprobs?: boolean | null | undefined;
  /** Likeliest tokens to return at each place; more than 0 includes `logprobs`. Default 0. */
  top_logprobs?: number | null | undefined;
  /** Further sampling parameters in the engine's own words, passed on as they are; llama.cpp ignores those that it does not know. Names that have a parameter here, or change what is asked, are refused. */
  sampling_extra?: Record<string, unknown> | null | undefined;
  /** System prompt of new sessions. */
  system?: string | null | undefined;
  context_policy?: ContextPolicy | undefined;
  /** Messages that may wait for one server before QUEUE_FULL. */
  max_queue?: number | undefined;
}

/** History. */
export interface StorageConfig {
  /** How long a deleted session can be restored. */
  deleted_retention_days?: number | undefined;
  /** Encrypt the content of the history: messages, reasoning, tool calls, titles, system prompts and settings of sessions (AES-256-GCM, each value separately), with a key in the system's keyring. Requires a keyring and the packages cryptography and keyring; without them set_config refuses, and an encrypted history can be neither read nor written. This protects against a stolen disk and copies of the data folder, not against programs that run as the same user: they can read the keyring, too. Ids, times, lengths, token counts, roles and names of models and servers stay readable, and this config file, with chat.system and chat_presets, is not encrypted. search_messages is off. If the key is lost, the history is lost: a backup needs the keyring as well. A change takes effect immediately and rewrites the whole history before set_config is answered. Plain text is overwritten in history.db, but you have to remove older copies of the file, and an SSD may keep overwritten data for a while. null: keep the history as it is, so a lost config decrypts nothing; a new history is not encrypted. */
  encrypt?: boolean | null | undefined;
}

/** Logs. */
export interface LogsConfig {
  /** Lowest level kept. */
  level?: Level | undefined;
  /** Size at which a log file is rotated. */
  max_file_bytes?: number | undefined;
  /** Rotated files kept for each source. */
  kept_files?: number | undefined;
}

/** A named set of chat settings. */
export interface ChatPreset {
  /** 0 always chooses the likeliest token. */
  temperature?: number | null | undefined;
  /** Nucleus sampling; 1 disables it. */
  top_p?: number | null | undefined;
  /** Likeliest tokens to choose from; 0 is all. */
  top_k?: number | null | undefined;
  /** Minimum probability, relative to that of the likeliest token. */
  min_p?: number | null | undefined;
  /** Maximum length of the answer. Default: until the model stops or the context is full. */
  max_tokens?: number | null | undefined;
  /** 1 disables it. */
  repeat_penalty?: number | null | undefined;
  /** -1 chooses a new seed each time. */
  seed?: number | null | undefined;
  /** Texts that end the answer. */
  stop?: string[] | string | null | undefined;
  /** Makes tokens less likely the more often they were used. Engine's default: 0, disabled. */
  frequency_penalty?: number | null | undefined;
  /** Makes tokens less likely that were used. Engine's default: 0, disabled. */
  presence_penalty?: number | null | undefined;
  /** How many last tokens the penalties count; 0 is none. Engine's default: 64. */
  repeat_last_n?: number | null | undefined;
  /** Locally typical sampling. Engine's default: 1, disabled. */
  typical_p?: number | null | undefined;
  /** Tokens within so many standard deviations of the likeliest. Engine's default: -1, disabled. */
  top_n_sigma?: number | null | undefined;
  /** How often XTC excludes the likeliest tokens. Engine's default: 0, never. */
  xtc_probability?: number | null | undefined;
  /** Probability above which XTC excludes; beyond 0.5 it has no effect. Engine's default: 0.1. */
  xtc_threshold?: number | null | undefined;
  /** Strength of DRY against repeated sequences. Engine's default: 0, disabled. */
  dry_multiplier?: number | null | undefined;
  /** How DRY grows with the length of a repetition. Engine's default: 1.75. */
  dry_base?: number | null | undefined;
  /** Tokens that may repeat without DRY. Engine's default: 2. */
  dry_allowed_length?: number | null | undefined;
  /** How many last tokens DRY searches; 0 is none. Engine's default: 64. */
  dry_penalty_last_n?: number | null | undefined;
  /** Texts at which DRY begins again. Engine's default: "\n", ":", "\"", "*". */
  dry_sequence_breakers?: string[] | null | undefined;
  /** How far the temperature moves with the entropy. Engine's default: 0, disabled. */
  dynatemp_range?: number | null | undefined;
  /** How fast it moves with the entropy. Engine's default: 1. */
  dynatemp_exponent?: number | null | undefined;
  /** Mirostat 1 or 2 in place of top_k, top_p and typical_p. Engine's default: 0, disabled. */
  mirostat?: number | null | undefined;
  /** Entropy that Mirostat aims at. Engine's default: 5. */
  mirostat_tau?: number | null | undefined;
  /** Mirostat's learning rate. Engine's default: 0.1. */
  mirostat_eta?: number | null | undefined;
  /** Added to a token's logit, -100 to 100. A key is the token's number, or else its text. */
  logit_bias?: Record<string, number> | null | undefined;
  /** A grammar in GBNF that the answer follows; not together with response_format or tools. */
  grammar?: string | null | undefined;
  /** Return how likely each token was, as `logprobs` of the result; not together with tools. */
  logprobs?: boolean | null | undefined;
  /** Likeliest tokens to return at each place; more than 0 includes `logprobs`. Default 0. */
  top_logprobs?: number | null | undefined;
  /** Further sampling parameters in the engine's own words, passed on as they are; llama.cpp ignores those that it does not know. Names that have a parameter here, or change what is asked, are refused. */
  sampling_extra?: Record<string, unknown> | null | undefined;
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
 * Change settings by a JSON merge patch (RFC 7396): omitted keys keep their value, `null` restores the default.
 *
 * The file is replaced atomically. Running servers keep the settings they were started with.
 * A change of `storage.encrypt` rewrites the history before the response.
 */
export interface SetConfigParams {
  patch: Record<string, unknown>;
}

/** Restore the defaults. */
export interface ResetConfigParams {
  /** Dotted keys such as "chat.temperature". Default: everything. */
  keys?: string[] | null | undefined;
}

/** Return the JSON Schema of the config, with descriptions and defaults. */
export type GetConfigSchemaParams = Record<string, never>;

/** A file of a download. */
export interface DownloadFile {
  /** Path in the download's folder. */
  name: string;
  /** Null if the server does not report it. */
  size_bytes: number | null;
  received_bytes: number;
  /** Expected, as the hub reports it, else as computed; in hexadecimal. */
  sha256: string | null;
}

/** A download, in whatever state. */
export interface Download {
  download_id: string;
  state: DownloadState;
  /** The repository on the hub. */
  repo: string | null;
  /** The commit, once it is known. */
  revision: string | null;
  /** Address of a file that is not on the hub, without its query. */
  url: string | null;
  /** Destination folder of the files. */
  folder: string;
  /** Empty until the hub has answered. */
  files: DownloadFile[];
  /** Bytes received so far; they survive restarts. */
  received_bytes: number;
  total_bytes: number | null;
  /** Smoothed over several seconds; null unless data is expected. */
  bytes_per_second: number | null;
  eta_seconds: number | null;
  /** Why no data arrives, in a sentence, while the download retries. */
  waiting: string | null;
  /** Bytes read again to compute the hash. */
  verified_bytes: number;
  /** Paused by a restart; it resumes automatically once a host has called initialize. */
  goes_on: boolean;
  /** Why it failed; resume_download retries. */
  error: WireError | null;
  /** The model's first or only file, once the download is done. */
  model_path: string | null;
  created_at: number;
  finished_at: number | null;
  /** What was not honoured: a token that the hub refuses. */
  warnings: ResultWarning[];
}

/**
 * Download a model into the library; answered when the model is complete, verified and in place.
 *
 * Give `repo` or `url`. A split model and its projector are one download. Received data is kept: a download resumes
 * where it stopped after a lost connection, a restart of the sidecar or the end of its host. The model is listed only
 * when all of its files are complete and verified.
 *
 * A repeated request follows a running download, and resumes one that failed or was paused.
 * Cancelling the request pauses the download; cancel_download discards it.
 */
export interface DownloadModelParams {
  /** `owner/name`, or with a quantisation (`owner/name:Q4_K_M`), or the address of its page. */
  repo?: string | null | undefined;
  /** Address of a repository's page or of a file in it, or the https address of any GGUF file. */
  url?: string | null | undefined;
  /** A file of the repository, or a quantisation such as Q5_K_M. Default: Q4_K_M, else the nearest. */
  file?: string | null | undefined;
  /** Branch, tag or commit of the repository. Default: main, as of the start. */
  revision?: string | null | undefined;
  /** Absolute path of a folder. Default: a new folder in the sidecar's models folder. */
  target_dir?: string | null | undefined;
  /** Channel for its progress, at most four events a second. */
  channel?: string | null | undefined;
}

/** The download waits for others to finish. */
export interface DownloadQueued {
  status: "queued";
  download_id: string;
}

/** The file list is being fetched from the hub, and the disk space checked. */
export interface DownloadChecking {
  status: "checking";
  download_id: string;
}

/** Progress. */
export interface DownloadProgress {
  status: "downloading";
  download_id: string;
  received_bytes: number;
  total_bytes: number | null;
  bytes_per_second: number | null;
  eta_seconds: number | null;
  waiting: string | null;
}

/** All data has been received; hashes that were not computed on the way are being computed. */
export interface DownloadVerifying {
  status: "verifying";
  download_id: string;
  verified_bytes: number;
  total_bytes: number | null;
}

/** The download is paused until resume_download; the channel stays open. */
export interface DownloadPaused {
  status: "paused";
  download_id: string;
  received_bytes: number;
  total_bytes: number | null;
}

/** The model is in place; the members are the response's. */
export interface DownloadDone extends Download {
  status: "done";
}

/** List downloads that are not done, and those that ended since the sidecar started; oldest first. */
export type ListDownloadsParams = Record<string, never>;

/** Pause a download and keep the received data. Answered when the transfer has stopped. */
export interface PauseDownloadParams {
  /** As in list_downloads. */
  download_id: string;
}

/** Resume a download that was paused or failed; answered immediately. */
export interface ResumeDownloadParams {
  /** As in list_downloads. */
  download_id: string;
}

/** Cancel a download and delete the received data. A finished download is kept. */
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
  /** Whether its memory is main memory, as with integrated GPUs: no further room. */
  shares_main_memory: boolean;
}

/** What a build reported when it generated a token with a tiny model that the sidecar creates for this. */
export interface EngineProof {
  /** Unix seconds. */
  proved_at: number;
  version: string;
  /** Kinds of device it can use, such as CPU, CUDA, Vulkan. */
  backends: string[];
  devices: EngineDevice[];
  /** Layers on a GPU, if it reports them. */
  gpu_layers: number | null;
  /** Layers of the tiny model, if it reports them. */
  total_layers: number | null;
  /** From the start of its process until it was ready. */
  load_ms: number;
  /** From the request to the end of the one-token answer. */
  token_ms: number;
}

/** An engine, and whether it can be used. */
export interface EngineInfo {
  engine: EngineName;
  available: boolean;
  /** The program or module to run. */
  path: string | null;
  version: string | null;
  /** Where it was found: the config's llama_cpp_path, a managed build, PATH, or a Python package. */
  origin: EngineOrigin;
  /** A sentence: found, or what is missing and how to install it. */
  message: string;
  /** Name of a managed build, for engine_build, set_default_engine and remove_engine. */
  name: string | null;
  /** Whether it is the managed build that starts use. */
  default: boolean;
  /** Install time of a managed build, Unix seconds. */
  installed_at: number | null;
  /** The last proof of a managed build. */
  proof: EngineProof | null;
  /** Why a managed build cannot be used, or was replaced as the default. */
  problem: string | null;
}

/** List the engines of this machine, best first, including every managed build. */
export type ListEnginesParams = Record<string, never>;

/** Report the capabilities of a llama.cpp build in a folder. */
export interface ProbeEngineParams {
  /** Folder of a llama.cpp build. */
  llama_cpp_path: string;
  /** Also prove it: generate a token with a tiny model created for this. Default false. */
  prove?: boolean | null | undefined;
}

/** A build's version and capabilities. */
export interface ProbeEngineResult {
  /** The llama-server program. */
  path: string;
  version: string;
  /** Kinds of device, such as CPU, CUDA, Vulkan. */
  backends: string[];
  devices: EngineDevice[];
  /** Every long flag it accepts. */
  flags: string[];
  /** Whether it can listen on a UNIX socket. */
  unix_socket: boolean;
  /** Null if not requested. */
  proof: EngineProof | null;
}

/**
 * Search the hub for models that have GGUF files; the most downloaded first.
 *
 * The hub is Hugging Face, or the mirror that the config's `downloads.hub_endpoint` or HF_ENDPOINT names.
 */
export interface SearchHubParams {
  /** Words of the name; empty for the most downloaded models. */
  query: string;
  /** Maximum number of results. Default 20. */
  limit?: number | null | undefined;
}

/** A repository on the hub. */
export interface HubModel {
  /** For `repo` of list_hub_files and download_model. */
  repo: string;
  /** In the last month. */
  downloads: number | null;
  likes: number | null;
  /** Whether access requires the owner's approval or the acceptance of a licence. */
  gated: boolean;
  updated_at: number | null;
  tags: string[];
}

/** List the models in a repository of the hub: each quantisation, its size, and whether it fits this machine. */
export interface ListHubFilesParams {
  /** `owner/name`, or the address of its page; optionally with a quantisation after a colon. */
  repo: string;
  /** Branch, tag or commit. Default: main. */
  revision?: string | null | undefined;
  /** Maximum number of variants, and of other files. Default 1000. */
  limit?: number | null | undefined;
  /** `next_cursor` of the previous page. */
  cursor?: string | null | undefined;
}

/** A file in a repository. */
export interface HubFile {
  /** Path in the repository, for `file` of download_model. */
  path: string;
  size_bytes: number | null;
  /** SHA-256 of the whole file, in hexadecimal. */
  sha256: string | null;
}

/** One quantisation of a model, with all files if it is split. */
export interface HubVariant {
  /** Name of the first file, without its extension. */
  name: string;
  /** Such as Q4_K_M, from the file name. */
  quantization: string | null;
  /** In order. */
  files: HubFile[];
  /** Total size of all files. */
  size_bytes: number | null;
  /** By size alone, compared with the memory that is free now. `gpu`: it fits on the GPUs. `memory`: it fits in main memory. `no`: it fits in neither. Null if the size is unknown. */
  fits: Fit | null;
  /** Whether download_model chooses it by default. */
  default: boolean;
}

/** A GGUF file that is no model by its name. It is downloaded only if `file` names it. */
export interface HubOtherFile {
  /** Path in the repository, for `file` of download_model. */
  path: string;
  size_bytes: number | null;
  /** SHA-256 of the whole file, in hexadecimal. */
  sha256: string | null;
  /** What it is, by its name. */
  kind: ModelKind;
}

/** The models in a repository. */
export interface ListHubFilesResult {
  /** The name as the hub spells it. */
  repo: string;
  /** The commit; give it to download_model to download exactly this version. */
  revision: string;
  gated: boolean;
  licence: string | null;
  /** Smallest first. */
  variants: HubVariant[];
  /** Projectors for images; download_model also downloads the best one. */
  projectors: HubFile[];
  /** Drafts, adapters and other files that are no models. */
  others: HubOtherFile[];
  /** For the next page of variants; null on the last one. */
  next_cursor: string | null;
  /** What was not honoured: a token that the hub refuses. */
  warnings: ResultWarning[];
}

/** Name and version of the host; written to the log. */
export interface ClientInfo {
  name: string;
  version?: string | undefined;
}

/** Introduce the host, and return the sidecar's version and capabilities. Optional for simple hosts. */
export interface InitializeParams {
  /** Name and version of the host. */
  client?: ClientInfo | null | undefined;
  /** The contract the host was written for, such as "1" or "1.2". Another major version is refused. */
  contract_version?: string | number | null | undefined;
  /** Process id of the host: the sidecar stops when this process ends. */
  host_pid?: number | null | undefined;
  /** The longest line that the host reads: lists come in pages that fit, and a longer result is RESULT_TOO_LONG. Default: as long as those it may send. */
  max_line_bytes?: number | null | undefined;
}

/** Name and version of this sidecar. */
export interface ServerIdentity {
  name: string;
  version: string;
}

/** What this sidecar supports. */
export interface Capabilities {
  /** Every method that can be called. */
  methods: string[];
  /** Every topic that can be subscribed to. */
  topics: string[];
  /** The longest line accepted, without its LF. */
  max_line_bytes: number;
}

/** Something that the person who uses the host should know. */
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
  /** Problems found at start, such as a broken config file that was set aside. */
  notices: Notice[];
}

/** Answer immediately, which shows that the connection works. */
export type PingParams = Record<string, never>;

/** Stop every engine and owned process, flush, answer, and exit with code 0, within 5 s. */
export type ShutdownParams = Record<string, never>;

/** Return the contract as an OpenRPC document. */
export type DiscoverParams = Record<string, never>;

/** What to send of a topic. */
export interface SubscribeOptions {
  /** Time between two readings of a topic that is polled. Default: 1000 for resources, 2000 for models. */
  interval_ms?: number | null | undefined;
  /** logs: only this source, as in list_log_sources. Default: all. */
  source?: string | null | undefined;
  /** logs: the lowest level to send. Default: info. */
  min_level?: Level | null | undefined;
}

/**
 * Receive the events of topics on a channel, starting with the current state.
 *
 * The channel outlives this request: it ends with `done`, written before the response to `unsubscribe`.
 * If the host reads slowly, old events are dropped or replaced by newer ones, and counted in `dropped`.
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

/** End a subscription; its channel ends with `done` before the response. */
export interface UnsubscribeParams {
  channel: string;
}

/** Whether the subscription existed. */
export interface UnsubscribeResult {
  channel: string;
  found: boolean;
}

/** One line. */
export interface LogEntry {
  /** Number over all sources; never decreases. */
  seq: number;
  /** When the line was received, Unix seconds. */
  at: number;
  /** "sidecar", or "server:" and a server_id. */
  source: string;
  level: Level;
  /** Control characters are escaped. */
  message: string;
}

/** Return the latest lines that are still in memory, oldest first. */
export interface GetLogsParams {
  /** Default: all. */
  source?: string | null | undefined;
  /** Only lines with a greater `seq`. */
  since?: number | null | undefined;
  /** Maximum number of lines; the newest are returned. Default 500. */
  limit?: number | null | undefined;
  /** Lowest level to return. Default debug: everything that is kept. */
  min_level?: Level | null | undefined;
}

/** Lines, and where to continue. */
export interface GetLogsResult {
  entries: LogEntry[];
  /** For `since` of the next request. */
  last_seq: number;
  /** Whether every line after `since` was still in memory, and all of them fit; older lines are in the files. */
  complete: boolean;
}

/** List the sources that have logged. */
export type ListLogSourcesParams = Record<string, never>;

/** A source. */
export interface LogSource {
  source: string;
  /** Its newest log file. */
  file: string;
  /** Lines received so far. */
  lines: number;
  file_bytes: number;
}

/** Clear the lines in memory and empty the files. */
export interface ClearLogsParams {
  /** Default: all. */
  source?: string | null | undefined;
}

/**
 * Estimate the memory that start_llama_server would use with these settings. Nothing is loaded.
 *
 * The estimate comes from the engine's own allocator if it has one (llama-server and the embedded engine: about half
 * a second, then cached); otherwise it is calculated from the model's header.
 */
export interface EstimateMemoryParams {
  /** Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from. */
  llama_cpp_path?: string | null | undefined;
  /** Name of a managed build. `llama_cpp_path` overrides it. */
  engine_build?: string | null | undefined;
  /** The GGUF file to load. Overrides `model`. */
  model_path?: string | null | undefined;
  /** Name of a model in the library. If neither is given: the config's default, else the only chat model, else the last used, else the starter model. */
  model?: string | null | undefined;
  /** TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system. */
  port?: number | null | undefined;
  /** Address to listen on, with `port`. Default 127.0.0.1. Other addresses require the key, too. */
  host?: string | null | undefined;
  /** Context in tokens; 0 uses the model's own. Default 4096. */
  ctx_size?: number | null | undefined;
  /** Messages answered concurrently; they share the context. Default 4. */
  parallel?: number | null | undefined;
  /** Layers on the GPU; -1 is all that fit, 0 none. Default -1. */
  n_gpu_layers?: number | null | undefined;
  /** Default: the best one found. */
  engine?: EngineName | null | undefined;
  /** Projector GGUF of a vision or audio model. */
  mmproj_path?: string | null | undefined;
  /** `auto`: the one that the library found for the model, unless `mmproj_path` names another. `none`: no projector; the model takes text only, and uses less memory. Default auto. */
  projector?: "auto" | "none" | null | undefined;
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
  /** Fail instead of running wholly or partly on the CPU when a GPU was requested. */
  require_gpu?: boolean | null | undefined;
  /** Layers whose experts stay on the CPU. Default 0. */
  n_cpu_moe?: number | null | undefined;
  /** Name or Jinja text of a chat template. Default: the model's. */
  chat_template?: string | null | undefined;
  /** File with a Jinja chat template. */
  chat_template_file?: string | null | undefined;
  /** LoRA adapter files to apply. */
  lora?: string[] | null | undefined;
  /** Maximum reasoning tokens; -1 is unlimited, 0 none. Default -1. */
  reasoning_budget?: number | null | undefined;
  /** Serve embeddings only. Default false. */
  embeddings?: boolean | null | undefined;
  /** llama.cpp RPC servers, host:port each. */
  rpc_servers?: string[] | null | undefined;
  /** Main memory for earlier prompts, MiB: they need not be read again. -1 is no limit, 0 none. Default: the config's, else an eighth of the machine's memory beyond 4 GiB, 8192 at most. */
  cache_ram_mib?: number | null | undefined;
  /** GPUs to use, by the names of probe_engine, such as CUDA0; ["none"] for none. Default: all. */
  devices?: string[] | null | undefined;
  /** How a model is divided among GPUs: not at all, by layers, by rows. Default layer. */
  split_mode?: "layer" | "none" | "row" | "tensor" | null | undefined;
  /** Proportion of the model on each GPU, such as [3, 1]. Default: by their free memory. */
  tensor_split?: number[] | null | undefined;
  /** Index of the GPU that is used alone with split_mode none, and first with row. Default 0. */
  main_gpu?: number | null | undefined;
  /** Read the model into memory instead of mapping its file: slower to load. Default false. */
  no_mmap?: boolean | null | undefined;
  /** Keep the model in memory, so that it is never swapped out. Default false. */
  mlock?: boolean | null | undefined;
  /** Optimization for machines with several memory nodes. Default: none. */
  numa?: "distribute" | "isolate" | "numactl" | null | undefined;
  /** RoPE scaling, to extend the context. Default: the model's, else linear. */
  rope_scaling?: "linear" | "none" | "yarn" | null | undefined;
  /** Factor by which RoPE scaling extends the context. Default: the model's. */
  rope_scale?: number | null | undefined;
  /** Base frequency of RoPE. Default: the model's. */
  rope_freq_base?: number | null | undefined;
  /** Frequency factor of RoPE; 1/N extends the context by N. Default: the model's. */
  rope_freq_scale?: number | null | undefined;
  /** YaRN: context the model was trained with, tokens. Default 0: the model's. */
  yarn_orig_ctx?: number | null | undefined;
  /** YaRN: extrapolation mix; 0 is full interpolation. Default -1: the model's. */
  yarn_ext_factor?: number | null | undefined;
  /** YaRN: factor of the attention's magnitude. Default -1: the model's. */
  yarn_attn_factor?: number | null | undefined;
  /** YaRN: high correction dimension. Default -1: the model's. */
  yarn_beta_slow?: number | null | undefined;
  /** YaRN: low correction dimension. Default -1: the model's. */
  yarn_beta_fast?: number | null | undefined;
  /** GGUF file of a small model that proposes tokens (speculative decoding): faster, with the same answers. It needs the same vocabulary, and memory of its own. */
  draft_model?: string | null | undefined;
  /** Kind of speculative decoding. Default: draft-simple with a draft_model, else none. */
  spec_type?: SpecType | null | undefined;
  /** Most tokens proposed by the draft model at a time. Default: the engine's, 3. */
  spec_draft_n_max?: number | null | undefined;
  /** Fewest tokens proposed by the draft model at a time. Default 0. */
  spec_draft_n_min?: number | null | undefined;
  /** Probability below which the draft model stops proposing. Default: the engine's, 0. */
  spec_draft_p_min?: number | null | undefined;
  /** Layers of the draft model on the GPU; -1 is all that fit, 0 none. Default -1. */
  spec_draft_n_gpu_layers?: number | null | undefined;
  /** Keep the whole context of layers with a sliding window: more memory, and earlier prompts can be used again. Default false. */
  swa_full?: boolean | null | undefined;
  /** Whether messages share one context of ctx_size; false gives each of `parallel` an equal part. Default true. */
  kv_unified?: boolean | null | undefined;
  /** The key of the engine's own API, kept over restarts; 16 to 256 letters, digits or ._~+/=-. Never logged or shown in a command. Default: a new random one for each run. */
  api_key?: string | null | undefined;
  /** Further flags, passed unchanged. Refused if the engine does not have them, or if they would change its model, address, key or access rules. */
  extra_args?: string[] | null | undefined;
  /** Further environment variables of the engine process; it inherits only what drivers need. LLAMA_API_KEY and LLAMA_ARG_… are refused. */
  env?: Record<string, string> | null | undefined;
  /** As in start_llama_server. */
  preset?: string | null | undefined;
  /** Only calculate from the header: takes milliseconds and runs no engine. For long lists. */
  quick?: boolean | null | undefined;
}

/** Memory of one device: the machine's own (`Host`) or a GPU's. */
export interface DeviceMemory {
  /** `Host`, or the engine's name of a GPU, such as CUDA0. */
  device: string;
  /** The model; on `Host` including the copies that the engine rearranges for the CPU. */
  weights_bytes: number;
  /** KV cache and recurrent state. */
  kv_cache_bytes: number;
  /** Compute buffers. */
  compute_bytes: number;
  /** The projector for images; counted on `Host` wherever it is really loaded. */
  projector_bytes: number;
  /** The engine itself: its code, vocabulary and tables. */
  program_bytes: number;
  /** The most that earlier prompts may use, over time. */
  prompt_cache_bytes: number;
  /** Of `weights_bytes`: pages of the mapped file that are hardly used after the load. The system takes them back where memory is short, so they need not fit. */
  reclaimable_bytes: number;
  total_bytes: number;
  /** Memory available now within the limits of our process; null if unknown. */
  free_bytes: number | null;
  /** Whether the total fits, with its margin of error and a reserve. */
  fits: boolean;
  /** How much memory is missing; 0 if it fits. */
  short_by_bytes: number;
}

/** A setting to lower if memory is short. */
export interface LowerFirst {
  /** Parameter of start_llama_server. */
  setting: string;
  value: number | string;
  /** Memory freed on all devices together by this change alone. */
  frees_bytes: number;
  /** Whether it fits with this change and those before it. */
  fits_then: boolean;
  reason: string;
}

/** Memory that a start would use. */
export interface MemoryEstimate {
  model: string;
  model_path: string;
  engine: EngineName;
  /** As the engine would use it: 0 is resolved to the model's own. */
  ctx_size: number;
  parallel: number;
  /** Layers on GPUs; -1 is resolved to what fits. */
  n_gpu_layers: number;
  /** Layers of the model, including the output layer. */
  total_layers: number;
  /** `allocator`: reported by the engine. `formula`: calculated from the model's header. */
  method: "allocator" | "formula";
  /** Relative error, 0.05 for 5 %: from earlier starts, else a default. */
  error_margin: number;
  /** Earlier starts on this machine that the estimate was corrected by. */
  observations: number;
  /** `Host` first. */
  devices: DeviceMemory[];
  total_bytes: number;
  /** Whether it fits on every device. */
  fits: boolean;
  /** The result in a sentence. */
  message: string;
  /** The largest context that fits with these settings; null if none fits. */
  largest_ctx_size: number | null;
  /** The most layers that fit on the GPUs; null if there is no GPU. */
  largest_n_gpu_layers: number | null;
  /** Settings to change if it does not fit, in order. */
  lower_first: LowerFirst[];
  /** What else may use memory, later or elsewhere. */
  notes: string[];
}

/** Recommend settings for a model on this machine in its current state, each with a reason. */
export interface RecommendSettingsParams {
  /** As in start_llama_server. */
  model?: string | null | undefined;
  /** As in start_llama_server; overrides `model`. */
  model_path?: string | null | undefined;
  /** Default: the best one found. */
  engine?: EngineName | null | undefined;
  /** As in start_llama_server. */
  llama_cpp_path?: string | null | undefined;
}

/** One setting and its reason. */
export interface Recommendation {
  setting: string;
  value: number | string;
  reason: string;
}

/** Settings to start a model with. */
export interface RecommendSettingsResult {
  /** Parameters for start_llama_server. */
  settings: Record<string, unknown>;
  reasons: Recommendation[];
  fits: boolean;
  /** Memory that a start with these settings would use. */
  estimate: MemoryEstimate;
}

/** An error as a host receives it: code, message, and `data` with `name`, `retryable`, `hint` and `remedies`. */
export interface WireError {
  code: number;
  message: string;
  data: Record<string, unknown>;
}

/** The request failed; `error` is the response's. */
export interface ErrorEvent {
  status: "error";
  error: WireError;
}

/** The host cancelled the request; of an answer, the part that was kept is in `partial`. */
export interface CancelledEvent {
  status: "cancelled";
  partial?: string;
  /** Of an answer: its session. */
  session_id?: string;
}

/** A model in the library. */
export interface ModelInfo {
  /** For `model` parameters. */
  name: string;
  /** The file; the first file of a split model. */
  path: string;
  /** Total size of all files of the model. */
  size_bytes: number;
  /** Number of files it is split into. */
  files: number;
  modified_at: number;
  /** `own`: in the sidecar's models folder. `folder`: in one of the config's folders. Others: stored by the program of that name; `huggingface` is its cache. */
  origin: ModelOrigin;
  /** The projector beside it, for images or audio. */
  mmproj_path: string | null;
  /** Whether an engine can run it, by its header. */
  valid: boolean;
  /** Why it is not valid, in a sentence. */
  problem: string | null;
  architecture: string | null;
  /** Such as Q4_K_M. */
  quantization: string | null;
  /** Number of weights. */
  parameters: number | null;
  /** Context the model was trained for, tokens. */
  context_length: number | null;
  /** Its name in its program or its header. */
  display_name: string | null;
  /** The repository it came from, such as ORG/NAME, if known. */
  repo: string | null;
  /** From header, chat template and projector. null until the whole header has been read; a later listing then has them. */
  capabilities: Capability[] | null;
  /** LoRA files whose headers name this model, for `lora` of start_llama_server. */
  adapters: string[];
  /** Other paths of the same content: links, and known copies. */
  other_paths: string[];
  /** Other names for it, such as that of a copy in another program. */
  aliases: string[];
  /** What it is, by its header; null until the whole header has been read. */
  kind: ModelKind | null;
  /** Why it is not valid, as a word. */
  problem_reason: ProblemReason | null;
  /** What to do about its problem, in a sentence. */
  hint: string | null;
  /** Why a projector that lies near it is not used for it, in a sentence; null if none does. */
  no_projector: string | null;
}

/**
 * List the models in the library: the sidecar's own, those in the config's folders, and those of other programs.
 *
 * Models of other programs are used in place: their files are never copied or written to. The list is in the order of
 * names, and an answer has at most 8 MiB: a host with more than ten thousand models asks for the next page until one
 * is empty.
 */
export interface ListModelsParams {
  /** Maximum number of models. Default: all that fit. */
  limit?: number | null | undefined;
  /** `name` of the last model of the previous page; the list continues after it. */
  cursor?: string | null | undefined;
}

/** Return a model with the details in its header, which is read completely. */
export interface GetModelParams {
  /** Name, file name or path, as in list_models. */
  model: string;
}

/** A file of a model. */
export interface ModelPart {
  path: string;
  size_bytes: number;
}

/** A model in the library, in detail. Values that a damaged header does not provide are null. */
export interface ModelDetails {
  /** For `model` parameters. */
  name: string;
  /** The file; the first file of a split model. */
  path: string;
  /** Total size of all files of the model. */
  size_bytes: number;
  /** Number of files it is split into. */
  files: number;
  modified_at: number;
  /** `own`: in the sidecar's models folder. `folder`: in one of the config's folders. Others: stored by the program of that name; `huggingface` is its cache. */
  origin: ModelOrigin;
  /** The projector beside it, for images or audio. */
  mmproj_path: string | null;
  /** Whether an engine can run it, by its header. */
  valid: boolean;
  /** Why it is not valid, in a sentence. */
  problem: string | null;
  architecture: string | null;
  /** Such as Q4_K_M. */
  quantization: string | null;
  /** Number of weights. */
  parameters: number | null;
  /** Context the model was trained for, tokens. */
  context_length: number | null;
  /** Its name in its program or its header. */
  display_name: string | null;
  /** The repository it came from, such as ORG/NAME, if known. */
  repo: string | null;
  /** From header, chat template and projector. null until the whole header has been read; a later listing then has them. */
  capabilities: Capability[] | null;
  /** LoRA files whose headers name this model, for `lora` of start_llama_server. */
  adapters: string[];
  /** Other paths of the same content: links, and known copies. */
  other_paths: string[];
  /** Other names for it, such as that of a copy in another program. */
  aliases: string[];
  /** What it is, by its header; null until the whole header has been read. */
  kind: ModelKind | null;
  /** Why it is not valid, as a word. */
  problem_reason: ProblemReason | null;
  /** What to do about its problem, in a sentence. */
  hint: string | null;
  /** Why a projector that lies near it is not used for it, in a sentence; null if none does. */
  no_projector: string | null;
  parts: ModelPart[];
  /** Matching projectors; the first is used. */
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

/** Scan all sources, as list_models does, and report what each one has and what was skipped. */
export interface ScanModelsParams {
  /** Also read all headers completely, and hash whole files that may be copies of each other: copies are then listed as one model. Takes minutes for large models. Default: false. */
  verify?: boolean | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
}

/** Bytes are being read or copied. */
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

/** A place that is scanned for models. */
export interface LibrarySource {
  origin: ModelOrigin;
  path: string;
  /** Whether the place exists. */
  found: boolean;
  /** GGUF files there, each counted once. */
  files: number;
  /** Models listed as being there; copies count where they are listed. */
  models: number;
  /** What was skipped there, and why; at most 20. */
  problems: string[];
}

/** The result of a scan. */
export interface ScanModelsResult {
  models: number;
  /** Models that are not valid, for whatever reason. */
  damaged: number;
  /** Models whose headers have not been read completely yet. */
  unread: number;
  sources: LibrarySource[];
  /** Names of models with the same size and beginning; `verify` checks whether they are copies. */
  possible_copies: string[][];
  /** Duration of the scan, without the reads of `verify`. */
  took_ms: number;
}

/** Return the header of a GGUF file. Nothing else of the file is read. */
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
  /** Every key and value; long arrays as {"array": type, "length": n}, texts beyond 2 MiB in total as {"text_bytes": n}. */
  metadata: Record<string, unknown>;
  /** What it is, by its header; null until the whole header has been read. */
  kind: ModelKind | null;
}

/**
 * Import a GGUF file into the sidecar's own models folder, with the other parts of a split model and its projector.
 *
 * Existing files are never overwritten. A model of another program can be linked or copied, not moved.
 */
export interface ImportModelParams {
  /** Absolute path of the file. */
  path: string;
  /** `link` (default): a hard link, which uses no disk space; a symbolic link across file systems, which breaks if the file is removed. `copy`: a separate file. `move`: the file itself. */
  mode?: "copy" | "link" | "move" | null | undefined;
  /** Name of the model. Default: the file's name, or its name in its program. */
  name?: string | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
}

/** The model is in the library; the response describes it. */
export interface ImportDone {
  status: "done";
  model: string;
}

/**
 * Delete a model in the sidecar's own folder. restore_model can restore it until it is purged.
 *
 * Files of other programs and in the config's folders are never deleted: of a link in our folder, only the link is.
 */
export interface DeleteModelParams {
  /** Name, file name or path, as in list_models. */
  model: string;
  /** Delete immediately and permanently. Default: false. */
  permanently?: boolean | null | undefined;
  /** Only report what would be deleted. Default: false. */
  dry_run?: boolean | null | undefined;
}

/** A file that is deleted. */
export interface DeletedFile {
  path: string;
  size_bytes: number;
  /** 0 if it is a link, or the content has another hard link. */
  frees_bytes: number;
  /** Whether it is a link; its target is kept. */
  link: boolean;
}

/** A file of the model that is kept. */
export interface KeptFile {
  path: string;
  /** Other models that use it. */
  used_by: string[];
}

/** What was or would be deleted. */
export interface DeletedModel {
  model: string;
  /** false for a dry run. */
  deleted: boolean;
  files: DeletedFile[];
  /** Disk space freed: immediately if permanent, otherwise when purged. */
  frees_bytes: number;
  kept: KeptFile[];
  /** Paths where the same content is kept. */
  other_paths: string[];
  /** Ids of running servers that use it. */
  used_by_servers: string[];
  /** For restore_model; null if permanent or a dry run. */
  trash_id: string | null;
  /** Until when it can be restored. */
  purged_at: number | null;
}

/** List the deleted models that can be restored, the last deleted first. */
export type ListDeletedModelsParams = Record<string, never>;

/** A deleted model that can be restored. */
export interface TrashedModel {
  trash_id: string;
  model: string;
  /** Its path before it was deleted. */
  path: string;
  files: number;
  size_bytes: number;
  deleted_at: number;
  /** When it is deleted permanently: `models.deleted_retention_days` later. */
  purged_at: number;
}

/** Undo delete_model: the files are moved back to where they were. */
export interface RestoreModelParams {
  /** `trash_id`, or a name: of models with this name, the last deleted. */
  model: string;
}

/** Delete permanently what restore_model could restore. */
export interface EmptyTrashParams {
  /** Only this model: `trash_id` or name. Default: everything. */
  model?: string | null | undefined;
}

/** What was deleted. */
export interface EmptyTrashResult {
  models: number;
  freed_bytes: number;
}

/** An action that may resolve the problem. Its sentence for people is the error's `hint`. */
export interface Remedy {
  /** A method of this contract, or a RemedyWord. */
  action: string;
  /** Known parameters of the action; a person or the host chooses the others. */
  params: Record<string, unknown>;
}

/** The processors. */
export interface CpuUse {
  /** 0 to 100 over all cores, since the previous reading. */
  percent: number;
  logical_cores: number;
  physical_cores: number | null;
}

/** Main memory. */
export interface MemoryUse {
  total_bytes: number;
  /** Memory that programs can allocate without swapping. */
  available_bytes: number;
  used_bytes: number;
}

/** The disk of the data folder. */
export interface DiskUse {
  path: string;
  total_bytes: number;
  free_bytes: number;
}

/** A GPU. Values that its driver does not report are null. */
export interface GpuUse {
  index: number;
  name: string;
  uuid: string;
  /** Its own memory; null if it shares main memory. */
  total_bytes: number | null;
  used_bytes: number | null;
  free_bytes: number | null;
  utilization_percent: number | null;
  temperature_celsius: number | null;
  power_watts: number | null;
  driver_version: string | null;
}

/** Whether GPUs can be read. A driver that fails or hangs is reported here, never as an error. */
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
  /** 100 is one core, since the previous reading. */
  cpu_percent: number;
  /** Over all GPUs; null if the driver does not report it. */
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

/** Read the machine's resources now. */
export type GetResourcesParams = Record<string, never>;

/** A token, and how likely it was. */
export interface LikelyToken {
  /** Its text; a part of a character is replaced by U+FFFD. */
  token: string;
  /** Natural logarithm of its probability. */
  logprob: number;
  /** Its text in UTF-8, also of a part of a character. */
  bytes: number[] | null;
}

/** A token of the answer, and those that were likeliest in its place. */
export interface TokenLogprob {
  /** Its text; a part of a character is replaced by U+FFFD. */
  token: string;
  /** Natural logarithm of its probability. */
  logprob: number;
  /** Its text in UTF-8, also of a part of a character. */
  bytes: number[] | null;
  top_logprobs: LikelyToken[];
}

/** How to run a model. All settings are optional. */
export interface ServerSettings {
  /** Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from. */
  llama_cpp_path?: string | null | undefined;
  /** Name of a managed build. `llama_cpp_path` overrides it. */
  engine_build?: string | null | undefined;
  /** The GGUF file to load. Overrides `model`. */
  model_path?: string | null | undefined;
  /** Name of a model in the library. If neither is given: the config's default, else the only chat model, else the last used, else the starter model. */
  model?: string | null | undefined;
  /** TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system. */
  port?: number | null | undefined;
  /** Address to listen on, with `port`. Default 127.0.0.1. Other addresses require the key, too. */
  host?: string | null | undefined;
  /** Context in tokens; 0 uses the model's own. Default 4096. */
  ctx_size?: number | null | undefined;
  /** Messages answered concurrently; they share the context. Default 4. */
  parallel?: number | null | undefined;
  /** Layers on the GPU; -1 is all that fit, 0 none. Default -1. */
  n_gpu_layers?: number | null | undefined;
  /** Default: the best one found. */
  engine?: EngineName | null | undefined;
  /** Projector GGUF of a vision or audio model. */
  mmproj_path?: string | null | undefined;
  /** `auto`: the one that the library found for the model, unless `mmproj_path` names another. `none`: no projector; the model takes text only, and uses less memory. Default auto. */
  projector?: "auto" | "none" | null | undefined;
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
  /** Fail instead of running wholly or partly on the CPU when a GPU was requested. */
  require_gpu?: boolean | null | undefined;
  /** Layers whose experts stay on the CPU. Default 0. */
  n_cpu_moe?: number | null | undefined;
  /** Name or Jinja text of a chat template. Default: the model's. */
  chat_template?: string | null | undefined;
  /** File with a Jinja chat template. */
  chat_template_file?: string | null | undefined;
  /** LoRA adapter files to apply. */
  lora?: string[] | null | undefined;
  /** Maximum reasoning tokens; -1 is unlimited, 0 none. Default -1. */
  reasoning_budget?: number | null | undefined;
  /** Serve embeddings only. Default false. */
  embeddings?: boolean | null | undefined;
  /** llama.cpp RPC servers, host:port each. */
  rpc_servers?: string[] | null | undefined;
  /** Main memory for earlier prompts, MiB: they need not be read again. -1 is no limit, 0 none. Default: the config's, else an eighth of the machine's memory beyond 4 GiB, 8192 at most. */
  cache_ram_mib?: number | null | undefined;
  /** GPUs to use, by the names of probe_engine, such as CUDA0; ["none"] for none. Default: all. */
  devices?: string[] | null | undefined;
  /** How a model is divided among GPUs: not at all, by layers, by rows. Default layer. */
  split_mode?: "layer" | "none" | "row" | "tensor" | null | undefined;
  /** Proportion of the model on each GPU, such as [3, 1]. Default: by their free memory. */
  tensor_split?: number[] | null | undefined;
  /** Index of the GPU that is used alone with split_mode none, and first with row. Default 0. */
  main_gpu?: number | null | undefined;
  /** Read the model into memory instead of mapping its file: slower to load. Default false. */
  no_mmap?: boolean | null | undefined;
  /** Keep the model in memory, so that it is never swapped out. Default false. */
  mlock?: boolean | null | undefined;
  /** Optimization for machines with several memory nodes. Default: none. */
  numa?: "distribute" | "isolate" | "numactl" | null | undefined;
  /** RoPE scaling, to extend the context. Default: the model's, else linear. */
  rope_scaling?: "linear" | "none" | "yarn" | null | undefined;
  /** Factor by which RoPE scaling extends the context. Default: the model's. */
  rope_scale?: number | null | undefined;
  /** Base frequency of RoPE. Default: the model's. */
  rope_freq_base?: number | null | undefined;
  /** Frequency factor of RoPE; 1/N extends the context by N. Default: the model's. */
  rope_freq_scale?: number | null | undefined;
  /** YaRN: context the model was trained with, tokens. Default 0: the model's. */
  yarn_orig_ctx?: number | null | undefined;
  /** YaRN: extrapolation mix; 0 is full interpolation. Default -1: the model's. */
  yarn_ext_factor?: number | null | undefined;
  /** YaRN: factor of the attention's magnitude. Default -1: the model's. */
  yarn_attn_factor?: number | null | undefined;
  /** YaRN: high correction dimension. Default -1: the model's. */
  yarn_beta_slow?: number | null | undefined;
  /** YaRN: low correction dimension. Default -1: the model's. */
  yarn_beta_fast?: number | null | undefined;
  /** GGUF file of a small model that proposes tokens (speculative decoding): faster, with the same answers. It needs the same vocabulary, and memory of its own. */
  draft_model?: string | null | undefined;
  /** Kind of speculative decoding. Default: draft-simple with a draft_model, else none. */
  spec_type?: SpecType | null | undefined;
  /** Most tokens proposed by the draft model at a time. Default: the engine's, 3. */
  spec_draft_n_max?: number | null | undefined;
  /** Fewest tokens proposed by the draft model at a time. Default 0. */
  spec_draft_n_min?: number | null | undefined;
  /** Probability below which the draft model stops proposing. Default: the engine's, 0. */
  spec_draft_p_min?: number | null | undefined;
  /** Layers of the draft model on the GPU; -1 is all that fit, 0 none. Default -1. */
  spec_draft_n_gpu_layers?: number | null | undefined;
  /** Keep the whole context of layers with a sliding window: more memory, and earlier prompts can be used again. Default false. */
  swa_full?: boolean | null | undefined;
  /** Whether messages share one context of ctx_size; false gives each of `parallel` an equal part. Default true. */
  kv_unified?: boolean | null | undefined;
  /** The key of the engine's own API, kept over restarts; 16 to 256 letters, digits or ._~+/=-. Never logged or shown in a command. Default: a new random one for each run. */
  api_key?: string | null | undefined;
  /** Further flags, passed unchanged. Refused if the engine does not have them, or if they would change its model, address, key or access rules. */
  extra_args?: string[] | null | undefined;
  /** Further environment variables of the engine process; it inherits only what drivers need. LLAMA_API_KEY and LLAMA_ARG_… are refused. */
  env?: Record<string, string> | null | undefined;
}

/** Memory that an engine planned or allocated on one device, according to its log. */
export interface MemoryTaken {
  /** `Host`, or the engine's name of a GPU, such as CUDA0. */
  device: string;
  weights_bytes: number;
  kv_cache_bytes: number;
  compute_bytes: number;
  projector_bytes: number;
}

/** The requested settings, with all defaults applied. */
export interface StartPlan {
  ctx_size: number;
  parallel: number;
  n_gpu_layers: number;
  /** The command line; never contains a secret. */
  argv: string[];
  /** Settings left out because this engine does not support them. */
  ignored: string[];
  /** The plan of the engine's own allocator, before anything is loaded. */
  memory: MemoryTaken[];
}

/** What the engine reports once it is ready. */
export interface StartActual {
  /** Tokens that prompt and answer of one message may use together. Messages that do not fit into `shared_context` together wait for each other. */
  context_per_message: number;
  /** Messages it answers concurrently, as far as they fit together. */
  slots: number;
  /** From the start of the process until the engine was ready. */
  load_ms: number;
  /** Layers on the GPU, if the engine reports them. */
  gpu_layers: number | null;
  /** Layers of the model, if the engine reports them. */
  total_layers: number | null;
  /** Whether it accepts images. */
  vision: boolean;
  /** The engine's build, as it reports it. */
  build: string | null;
  /** Memory allocated on each device; empty if the engine does not report it. */
  memory: MemoryTaken[];
  /** Tokens that all messages answered concurrently share; null if each may use `context_per_message`, whatever the others use. */
  shared_context: number | null;
  /** Context that the model was trained for, in tokens, if the engine reports it. */
  trained_context: number | null;
}

/** Why a server runs, but not as requested. */
export interface StartWarning {
  code: "GPU_NOT_USED" | "GPU_PARTLY_USED";
  cause: GpuCause;
  /** What happened and why, in a sentence. */
  message: string;
  /** What to do next, in a sentence for people. */
  hint: string;
  /** What a host can do or offer. */
  remedies: Remedy[];
}

/** A server and its state. Before it is planned, values that are not chosen yet are null. */
export interface ServerInfo {
  server_id: string;
  state: ServerState;
  engine: EngineName | null;
  /** The model's name. */
  model: string | null;
  model_path: string | null;
  /** Process id of the engine while it runs. */
  pid: number | null;
  /** TCP port; null on a private socket. */
  port: number | null;
  /** Address of its OpenAI API; null on a private socket. */
  base_url: string | null;
  ctx_size: number | null;
  parallel: number | null;
  n_gpu_layers: number | null;
  /** When its process started, Unix seconds. */
  started_at: number | null;
  /** Its state in a sentence. */
  message: string;
  plan: StartPlan | null;
  actual: StartActual | null;
  /** Why it failed (state `failed`), or why its engine crashed, until it is ready again. */
  error: WireError | null;
  /** Set if it runs, but not on the GPU as requested; otherwise null. */
  warning: StartWarning | null;
  /** How often its engine crashed and was restarted automatically. */
  restarts: number;
  /** Whether it answers messages that name no server, nor does their session. At most one does. */
  default: boolean;
}

/**
 * Start an engine with a model; answered when it is ready for messages.
 *
 * If no engine is named, the best one found is used: the configured llama.cpp folder, then the default managed build,
 * then PATH, then the embedded engine, then llama-cpp-python.
 */
export interface StartLlamaServerParams {
  /** Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from. */
  llama_cpp_path?: string | null | undefined;
  /** Name of a managed build. `llama_cpp_path` overrides it. */
  engine_build?: string | null | undefined;
  /** The GGUF file to load. Overrides `model`. */
  model_path?: string | null | undefined;
  /** Name of a model in the library. If neither is given: the config's default, else the only chat model, else the last used, else the starter model. */
  model?: string | null | undefined;
  /** TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system. */
  port?: number | null | undefined;
  /** Address to listen on, with `port`. Default 127.0.0.1. Other addresses require the key, too. */
  host?: string | null | undefined;
  /** Context in tokens; 0 uses the model's own. Default 4096. */
  ctx_size?: number | null | undefined;
  /** Messages answered concurrently; they share the context. Default 4. */
  parallel?: number | null | undefined;
  /** Layers on the GPU; -1 is all that fit, 0 none. Default -1. */
  n_gpu_layers?: number | null | undefined;
  /** Default: the best one found. */
  engine?: EngineName | null | undefined;
  /** Projector GGUF of a vision or audio model. */
  mmproj_path?: string | null | undefined;
  /** `auto`: the one that the library found for the model, unless `mmproj_path` names another. `none`: no projector; the model takes text only, and uses less memory. Default auto. */
  projector?: "auto" | "none" | null | undefined;
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
  /** Fail instead of running wholly or partly on the CPU when a GPU was requested. */
  require_gpu?: boolean | null | undefined;
  /** Layers whose experts stay on the CPU. Default 0. */
  n_cpu_moe?: number | null | undefined;
  /** Name or Jinja text of a chat template. Default: the model's. */
  chat_template?: string | null | undefined;
  /** File with a Jinja chat template. */
  chat_template_file?: string | null | undefined;
  /** LoRA adapter files to apply. */
  lora?: string[] | null | undefined;
  /** Maximum reasoning tokens; -1 is unlimited, 0 none. Default -1. */
  reasoning_budget?: number | null | undefined;
  /** Serve embeddings only. Default false. */
  embeddings?: boolean | null | undefined;
  /** llama.cpp RPC servers, host:port each. */
  rpc_servers?: string[] | null | undefined;
  /** Main memory for earlier prompts, MiB: they need not be read again. -1 is no limit, 0 none. Default: the config's, else an eighth of the machine's memory beyond 4 GiB, 8192 at most. */
  cache_ram_mib?: number | null | undefined;
  /** GPUs to use, by the names of probe_engine, such as CUDA0; ["none"] for none. Default: all. */
  devices?: string[] | null | undefined;
  /** How a model is divided among GPUs: not at all, by layers, by rows. Default layer. */
  split_mode?: "layer" | "none" | "row" | "tensor" | null | undefined;
  /** Proportion of the model on each GPU, such as [3, 1]. Default: by their free memory. */
  tensor_split?: number[] | null | undefined;
  /** Index of the GPU that is used alone with split_mode none, and first with row. Default 0. */
  main_gpu?: number | null | undefined;
  /** Read the model into memory instead of mapping its file: slower to load. Default false. */
  no_mmap?: boolean | null | undefined;
  /** Keep the model in memory, so that it is never swapped out. Default false. */
  mlock?: boolean | null | undefined;
  /** Optimization for machines with several memory nodes. Default: none. */
  numa?: "distribute" | "isolate" | "numactl" | null | undefined;
  /** RoPE scaling, to extend the context. Default: the model's, else linear. */
  rope_scaling?: "linear" | "none" | "yarn" | null | undefined;
  /** Factor by which RoPE scaling extends the context. Default: the model's. */
  rope_scale?: number | null | undefined;
  /** Base frequency of RoPE. Default: the model's. */
  rope_freq_base?: number | null | undefined;
  /** Frequency factor of RoPE; 1/N extends the context by N. Default: the model's. */
  rope_freq_scale?: number | null | undefined;
  /** YaRN: context the model was trained with, tokens. Default 0: the model's. */
  yarn_orig_ctx?: number | null | undefined;
  /** YaRN: extrapolation mix; 0 is full interpolation. Default -1: the model's. */
  yarn_ext_factor?: number | null | undefined;
  /** YaRN: factor of the attention's magnitude. Default -1: the model's. */
  yarn_attn_factor?: number | null | undefined;
  /** YaRN: high correction dimension. Default -1: the model's. */
  yarn_beta_slow?: number | null | undefined;
  /** YaRN: low correction dimension. Default -1: the model's. */
  yarn_beta_fast?: number | null | undefined;
  /** GGUF file of a small model that proposes tokens (speculative decoding): faster, with the same answers. It needs the same vocabulary, and memory of its own. */
  draft_model?: string | null | undefined;
  /** Kind of speculative decoding. Default: draft-simple with a draft_model, else none. */
  spec_type?: SpecType | null | undefined;
  /** Most tokens proposed by the draft model at a time. Default: the engine's, 3. */
  spec_draft_n_max?: number | null | undefined;
  /** Fewest tokens proposed by the draft model at a time. Default 0. */
  spec_draft_n_min?: number | null | undefined;
  /** Probability below which the draft model stops proposing. Default: the engine's, 0. */
  spec_draft_p_min?: number | null | undefined;
  /** Layers of the draft model on the GPU; -1 is all that fit, 0 none. Default -1. */
  spec_draft_n_gpu_layers?: number | null | undefined;
  /** Keep the whole context of layers with a sliding window: more memory, and earlier prompts can be used again. Default false. */
  swa_full?: boolean | null | undefined;
  /** Whether messages share one context of ctx_size; false gives each of `parallel` an equal part. Default true. */
  kv_unified?: boolean | null | undefined;
  /** The key of the engine's own API, kept over restarts; 16 to 256 letters, digits or ._~+/=-. Never logged or shown in a command. Default: a new random one for each run. */
  api_key?: string | null | undefined;
  /** Further flags, passed unchanged. Refused if the engine does not have them, or if they would change its model, address, key or access rules. */
  extra_args?: string[] | null | undefined;
  /** Further environment variables of the engine process; it inherits only what drivers need. LLAMA_API_KEY and LLAMA_ARG_… are refused. */
  env?: Record<string, string> | null | undefined;
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
  /** Name in the config's `server_presets`; parameters given here override it. */
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

/** The model is being loaded. */
export interface StartLoading {
  status: "loading";
  /** Component being loaded, such as text_model or mmproj_model. */
  stage: string;
  /** 0 to 1 over all stages; null if the engine does not report it. */
  progress: number | null;
  /** Estimated time left, from the rate so far. */
  eta_ms?: number;
}

/** The model is loaded; the warm-up run is under way. */
export interface StartWarming {
  status: "warming";
}

/** The server is ready; the members are the response's. */
export interface StartDone extends ServerInfo {
  status: "done";
}

/** Stop a server in any state; answered when its process has ended. */
export interface StopLlamaServerParams {
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
}

/** Return whether the server accepts messages: it is ready, or sleeps until the next message. */
export interface IsLlamaRunningParams {
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
}

/** Return the settings a server runs with, or would start with if it does not exist. */
export interface GetLlamaConfigParams {
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
}

/** Settings in effect; other settings of start_llama_server that were given are in `settings`. */
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

/** Return a server, and how to connect to it directly. */
export interface GetServerParams {
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
}

/**
 * A server and how to connect to it directly, without the sidecar. A restarted engine has a new key
 * unless `api_key` was set, and a new socket or port unless a port was requested.
 */
export interface ServerDetails {
  server_id: string;
  state: ServerState;
  engine: EngineName | null;
  /** The model's name. */
  model: string | null;
  model_path: string | null;
  /** Process id of the engine while it runs. */
  pid: number | null;
  /** TCP port; null on a private socket. */
  port: number | null;
  /** Address of its OpenAI API; null on a private socket. */
  base_url: string | null;
  ctx_size: number | null;
  parallel: number | null;
  n_gpu_layers: number | null;
  /** When its process started, Unix seconds. */
  started_at: number | null;
  /** Its state in a sentence. */
  message: string;
  plan: StartPlan | null;
  actual: StartActual | null;
  /** Why it failed (state `failed`), or why its engine crashed, until it is ready again. */
  error: WireError | null;
  /** Set if it runs, but not on the GPU as requested; otherwise null. */
  warning: StartWarning | null;
  /** How often its engine crashed and was restarted automatically. */
  restarts: number;
  /** Whether it answers messages that name no server, nor does their session. At most one does. */
  default: boolean;
  /** Send it as `Authorization: Bearer …`. */
  api_key: string | null;
  /** UNIX socket of its HTTP API. */
  socket_path: string | null;
}

/** List every server that was started and not stopped, including failed ones. */
export type ListServersParams = Record<string, never>;

/**
 * Stop a server and start it with the same settings.
 *
 * Running answers end with SERVER_NOT_RUNNING; queued and new messages wait for the new engine.
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
 * Settings of the previous model are not kept: chat template, projector, LoRA adapters, draft model, and RoPE and
 * YaRN scaling. Running answers end with
 * SERVER_NOT_RUNNING; queued and new messages wait for the new engine.
 */
export interface SwitchModelParams {
  /** Name in the library, or path of a GGUF file. */
  model: string;
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
  /** Name for this request's events, unique among the host's live channels. */
  channel?: string | null | undefined;
}

/** Return the command that start_llama_server would run. Nothing is started or written. */
export interface PreviewCommandParams {
  /** Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from. */
  llama_cpp_path?: string | null | undefined;
  /** Name of a managed build. `llama_cpp_path` overrides it. */
  engine_build?: string | null | undefined;
  /** The GGUF file to load. Overrides `model`. */
  model_path?: string | null | undefined;
  /** Name of a model in the library. If neither is given: the config's default, else the only chat model, else the last used, else the starter model. */
  model?: string | null | undefined;
  /** TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system. */
  port?: number | null | undefined;
  /** Address to listen on, with `port`. Default 127.0.0.1. Other addresses require the key, too. */
  host?: string | null | undefined;
  /** Context in tokens; 0 uses the model's own. Default 4096. */
  ctx_size?: number | null | undefined;
  /** Messages answered concurrently; they share the context. Default 4. */
  parallel?: number | null | undefined;
  /** Layers on the GPU; -1 is all that fit, 0 none. Default -1. */
  n_gpu_layers?: number | null | undefined;
  /** Default: the best one found. */
  engine?: EngineName | null | undefined;
  /** Projector GGUF of a vision or audio model. */
  mmproj_path?: string | null | undefined;
  /** `auto`: the one that the library found for the model, unless `mmproj_path` names another. `none`: no projector; the model takes text only, and uses less memory. Default auto. */
  projector?: "auto" | "none" | null | undefined;
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
  /** Fail instead of running wholly or partly on the CPU when a GPU was requested. */
  require_gpu?: boolean | null | undefined;
  /** Layers whose experts stay on the CPU. Default 0. */
  n_cpu_moe?: number | null | undefined;
  /** Name or Jinja text of a chat template. Default: the model's. */
  chat_template?: string | null | undefined;
  /** File with a Jinja chat template. */
  chat_template_file?: string | null | undefined;
  /** LoRA adapter files to apply. */
  lora?: string[] | null | undefined;
  /** Maximum reasoning tokens; -1 is unlimited, 0 none. Default -1. */
  reasoning_budget?: number | null | undefined;
  /** Serve embeddings only. Default false. */
  embeddings?: boolean | null | undefined;
  /** llama.cpp RPC servers, host:port each. */
  rpc_servers?: string[] | null | undefined;
  /** Main memory for earlier prompts, MiB: they need not be read again. -1 is no limit, 0 none. Default: the config's, else an eighth of the machine's memory beyond 4 GiB, 8192 at most. */
  cache_ram_mib?: number | null | undefined;
  /** GPUs to use, by the names of probe_engine, such as CUDA0; ["none"] for none. Default: all. */
  devices?: string[] | null | undefined;
  /** How a model is divided among GPUs: not at all, by layers, by rows. Default layer. */
  split_mode?: "layer" | "none" | "row" | "tensor" | null | undefined;
  /** Proportion of the model on each GPU, such as [3, 1]. Default: by their free memory. */
  tensor_split?: number[] | null | undefined;
  /** Index of the GPU that is used alone with split_mode none, and first with row. Default 0. */
  main_gpu?: number | null | undefined;
  /** Read the model into memory instead of mapping its file: slower to load. Default false. */
  no_mmap?: boolean | null | undefined;
  /** Keep the model in memory, so that it is never swapped out. Default false. */
  mlock?: boolean | null | undefined;
  /** Optimization for machines with several memory nodes. Default: none. */
  numa?: "distribute" | "isolate" | "numactl" | null | undefined;
  /** RoPE scaling, to extend the context. Default: the model's, else linear. */
  rope_scaling?: "linear" | "none" | "yarn" | null | undefined;
  /** Factor by which RoPE scaling extends the context. Default: the model's. */
  rope_scale?: number | null | undefined;
  /** Base frequency of RoPE. Default: the model's. */
  rope_freq_base?: number | null | undefined;
  /** Frequency factor of RoPE; 1/N extends the context by N. Default: the model's. */
  rope_freq_scale?: number | null | undefined;
  /** YaRN: context the model was trained with, tokens. Default 0: the model's. */
  yarn_orig_ctx?: number | null | undefined;
  /** YaRN: extrapolation mix; 0 is full interpolation. Default -1: the model's. */
  yarn_ext_factor?: number | null | undefined;
  /** YaRN: factor of the attention's magnitude. Default -1: the model's. */
  yarn_attn_factor?: number | null | undefined;
  /** YaRN: high correction dimension. Default -1: the model's. */
  yarn_beta_slow?: number | null | undefined;
  /** YaRN: low correction dimension. Default -1: the model's. */
  yarn_beta_fast?: number | null | undefined;
  /** GGUF file of a small model that proposes tokens (speculative decoding): faster, with the same answers. It needs the same vocabulary, and memory of its own. */
  draft_model?: string | null | undefined;
  /** Kind of speculative decoding. Default: draft-simple with a draft_model, else none. */
  spec_type?: SpecType | null | undefined;
  /** Most tokens proposed by the draft model at a time. Default: the engine's, 3. */
  spec_draft_n_max?: number | null | undefined;
  /** Fewest tokens proposed by the draft model at a time. Default 0. */
  spec_draft_n_min?: number | null | undefined;
  /** Probability below which the draft model stops proposing. Default: the engine's, 0. */
  spec_draft_p_min?: number | null | undefined;
  /** Layers of the draft model on the GPU; -1 is all that fit, 0 none. Default -1. */
  spec_draft_n_gpu_layers?: number | null | undefined;
  /** Keep the whole context of layers with a sliding window: more memory, and earlier prompts can be used again. Default false. */
  swa_full?: boolean | null | undefined;
  /** Whether messages share one context of ctx_size; false gives each of `parallel` an equal part. Default true. */
  kv_unified?: boolean | null | undefined;
  /** The key of the engine's own API, kept over restarts; 16 to 256 letters, digits or ._~+/=-. Never logged or shown in a command. Default: a new random one for each run. */
  api_key?: string | null | undefined;
  /** Further flags, passed unchanged. Refused if the engine does not have them, or if they would change its model, address, key or access rules. */
  extra_args?: string[] | null | undefined;
  /** Further environment variables of the engine process; it inherits only what drivers need. LLAMA_API_KEY and LLAMA_ARG_… are refused. */
  env?: Record<string, string> | null | undefined;
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
  /** As in start_llama_server. */
  preset?: string | null | undefined;
}

/** A command that was not run. */
export interface PreviewCommandResult {
  argv: string[];
  /** The command, quoted for a POSIX shell. */
  one_liner: string;
  /** Settings left out because this engine does not support them. */
  ignored: string[];
}

/** Check the health of an engine. */
export interface PingServerParams {
  /** Which server. Default "default". */
  server_id?: string | null | undefined;
  /** Any OpenAI-compatible server instead of one of ours. */
  base_url?: string | null | undefined;
}

/** The result of a health check. */
export interface PingServerResult {
  ok: boolean;
  latency_ms: number | null;
  /** HTTP status, if there was a response. */
  status: number | null;
  /** Why the check failed, in a sentence. */
  error: string | null;
}

/** Text of a message. */
export interface TextPart {
  type: "text";
  text: string;
}

/** An image as a data: URL. Network addresses are refused: the sidecar downloads nothing for a chat. */
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

/** Audio, as base64. */
export interface AudioData {
  data: string;
  format: "mp3" | "wav";
}

/** Audio in a message. */
export interface AudioPart {
  type: "input_audio";
  input_audio: AudioData;
}

/** Sampling settings and context policy of one session. */
export interface SessionConfig {
  /** 0 always chooses the likeliest token. */
  temperature?: number | null | undefined;
  /** Nucleus sampling; 1 disables it. */
  top_p?: number | null | undefined;
  /** Likeliest tokens to choose from; 0 is all. */
  top_k?: number | null | undefined;
  /** Minimum probability, relative to that of the likeliest token. */
  min_p?: number | null | undefined;
  /** Maximum length of the answer. Default: until the model stops or the context is full. */
  max_tokens?: number | null | undefined;
  /** 1 disables it. */
  repeat_penalty?: number | null | undefined;
  /** -1 chooses a new seed each time. */
  seed?: number | null | undefined;
  /** Texts that end the answer. */
  stop?: string[] | string | null | undefined;
  /** Makes tokens less likely the more often they were used. Engine's default: 0, disabled. */
  frequency_penalty?: number | null | undefined;
  /** Makes tokens less likely that were used. Engine's default: 0, disabled. */
  presence_penalty?: number | null | undefined;
  /** How many last tokens the penalties count; 0 is none. Engine's default: 64. */
  repeat_last_n?: number | null | undefined;
  /** Locally typical sampling. Engine's default: 1, disabled. */
  typical_p?: number | null | undefined;
  /** Tokens within so many standard deviations of the likeliest. Engine's default: -1, disabled. */
  top_n_sigma?: number | null | undefined;
  /** How often XTC excludes the likeliest tokens. Engine's default: 0, never. */
  xtc_probability?: number | null | undefined;
  /** Probability above which XTC excludes; beyond 0.5 it has no effect. Engine's default: 0.1. */
  xtc_threshold?: number | null | undefined;
  /** Strength of DRY against repeated sequences. Engine's default: 0, disabled. */
  dry_multiplier?: number | null | undefined;
  /** How DRY grows with the length of a repetition. Engine's default: 1.75. */
  dry_base?: number | null | undefined;
  /** Tokens that may repeat without DRY. Engine's default: 2. */
  dry_allowed_length?: number | null | undefined;
  /** How many last tokens DRY searches; 0 is none. Engine's default: 64. */
  dry_penalty_last_n?: number | null | undefined;
  /** Texts at which DRY begins again. Engine's default: "\n", ":", "\"", "*". */
  dry_sequence_breakers?: string[] | null | undefined;
  /** How far the temperature moves with the entropy. Engine's default: 0, disabled. */
  dynatemp_range?: number | null | undefined;
  /** How fast it moves with the entropy. Engine's default: 1. */
  dynatemp_exponent?: number | null | undefined;
  /** Mirostat 1 or 2 in place of top_k, top_p and typical_p. Engine's default: 0, disabled. */
  mirostat?: number | null | undefined;
  /** Entropy that Mirostat aims at. Engine's default: 5. */
  mirostat_tau?: number | null | undefined;
  /** Mirostat's learning rate. Engine's default: 0.1. */
  mirostat_eta?: number | null | undefined;
  /** Added to a token's logit, -100 to 100. A key is the token's number, or else its text. */
  logit_bias?: Record<string, number> | null | undefined;
  /** A grammar in GBNF that the answer follows; not together with response_format or tools. */
  grammar?: string | null | undefined;
  /** Return how likely each token was, as `logprobs` of the result; not together with tools. */
  logprobs?: boolean | null | undefined;
  /** Likeliest tokens to return at each place; more than 0 includes `logprobs`. Default 0. */
  top_logprobs?: number | null | undefined;
  /** Further sampling parameters in the engine's own words, passed on as they are; llama.cpp ignores those that it does not know. Names that have a parameter here, or change what is asked, are refused. */
  sampling_extra?: Record<string, unknown> | null | undefined;
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

/** The function that the model calls. */
export interface ToolFunction {
  name: string;
  /** JSON as the model wrote it; it may be invalid. */
  arguments: string;
}

/** A function call that the model requests; answer it with `tool_results`. */
export interface ToolCall {
  id: string;
  type: "function";
  function: ToolFunction;
  /** true: the answer ended within this call, or its arguments are no JSON object; do not run it. */
  incomplete?: boolean;
}

/** Token counts, as the engine reports them. */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  /** Prompt tokens found in the engine's cache and not processed again. */
  cached_tokens: number;
}

/** Durations and speeds. */
export interface Timings {
  /** From the request to the first token; null if there was none. */
  ttft_ms: number | null;
  /** Prompt tokens processed per second. */
  prompt_per_second: number | null;
  /** Tokens generated per second. */
  predicted_per_second: number | null;
  /** From the request to the end. */
  total_ms: number;
}

/** One message of a session's tree. */
export interface Message {
  message_id: string;
  session_id: string;
  parent_id: string | null;
  role: "assistant" | "tool" | "user";
  content: string;
  /** The content parts, if there was more than text. */
  parts?: Record<string, unknown>[];
  reasoning?: string;
  tool_calls?: ToolCall[];
  tool_call_id?: string;
  /** `interrupted`: the sidecar ended while the answer was being written; the stored part is here. */
  state: "cancelled" | "complete" | "error" | "interrupted" | "running";
  finish_reason: FinishReason | null;
  usage: Usage | null;
  timings: Timings | null;
  /** The model that wrote it. */
  model: string | null;
  /** Of an answer: what of its request was not fully honoured, if anything. */
  warnings?: ResultWarning[];
  created_at: number;
  /** When update_message last changed its text, Unix seconds; if ever. */
  edited_at?: number;
  /** The branches at this point: ids of all messages with this parent, oldest first. */
  siblings: string[];
}

/** Create an empty session. */
export interface CreateSessionParams {
  /** A UUID generated by the host. Default: a new UUID. */
  session_id?: string | null | undefined;
  /** Default: from the first user message. */
  title?: string | null | undefined;
  /** System prompt. Default: the config's. */
  system?: string | null | undefined;
  /** The server to use. Default: the one that is ready. */
  server_id?: string | null | undefined;
  /** Settings of this session. Default: none. */
  config?: SessionConfig | null | undefined;
}

/** List sessions, the last used first. */
export interface ListSessionsParams {
  /** Only sessions whose title contains this text. */
  query?: string | null | undefined;
  /** true: only archived sessions; false (default): only others. */
  archived?: boolean | null | undefined;
  /** Default 50. */
  limit?: number | null | undefined;
  /** `next_cursor` of the previous page. */
  cursor?: string | null | undefined;
}

/** A page of sessions. */
export interface ListSessionsResult {
  sessions: Session[];
  next_cursor: string | null;
}

/** Return a session. */
export interface GetSessionParams {
  session_id: string;
}

/** Return the messages of a branch, oldest first: the newest ones, as many as the host reads in a line. */
export interface GetMessagesParams {
  session_id: string;
  /** Id of any message on the branch. Default: the branch in use. */
  branch?: string | null | undefined;
  /** Maximum number of messages; the newest are returned. Default: all. */
  limit?: number | null | undefined;
  /** Only messages before this one, to page backwards. */
  before?: string | null | undefined;
}

/** Messages of one branch. */
export interface GetMessagesResult {
  session_id: string;
  /** Id of the branch's last message. */
  branch: string | null;
  messages: Message[];
  /** Whether the branch has older messages. */
  has_more: boolean;
}

/** Change a session; omitted members keep their value. */
export interface UpdateSessionParams {
  session_id: string;
  title?: string | null | undefined;
  /** System prompt; "" removes it. */
  system?: string | null | undefined;
  /** The server to use from now on. */
  server_id?: string | null | undefined;
  archived?: boolean | null | undefined;
  /** Changed settings: those left out keep their value, and null removes one. */
  config?: SessionConfig | null | undefined;
  /** Id of a message: continue on its branch. */
  branch?: string | null | undefined;
}

/** Delete a session. restore_session can restore it until it is purged. */
export interface DeleteSessionParams {
  session_id: string;
}

/** What was deleted. */
export interface DeleteSessionResult {
  session_id: string;
  /** When it is deleted permanently, Unix seconds. */
  purge_at: number;
}

/** List the deleted sessions that restore_session can restore, the last deleted first. */
export interface ListDeletedSessionsParams {
  /** Default 50. */
  limit?: number | null | undefined;
  /** `next_cursor` of the previous page. */
  cursor?: string | null | undefined;
}

/** A session that can be restored. */
export interface DeletedSession {
  session_id: string;
  title: string;
  /** Messages in all branches. */
  message_count: number;
  created_at: number;
  updated_at: number;
  deleted_at: number;
  /** From when it may be deleted permanently, Unix seconds. */
  purge_at: number;
}

/** A page of deleted sessions. */
export interface ListDeletedSessionsResult {
  sessions: DeletedSession[];
  next_cursor: string | null;
}

/** Undo delete_session. */
export interface RestoreSessionParams {
  session_id: string;
}

/**
 * Search for messages that contain all the words, the newest first. The last word may be a prefix of two letters.
 *
 * A search that takes too long is cancelled with INVALID_PARAMS and the path `$.query`.
 *
 * Refused while the history is encrypted (`storage.encrypt`): an index would contain its words in plain text.
 */
export interface SearchMessagesParams {
  query: string;
  /** Only in this session. */
  session_id?: string | null | undefined;
  /** Default 20. */
  limit?: number | null | undefined;
  /** `next_cursor` of the previous page. */
  cursor?: string | null | undefined;
}

/** A message that matches. */
export interface SearchHit {
  session_id: string;
  session_title: string;
  message_id: string;
  role: string;
  /** The text around the matches, which are enclosed in \u0002 and \u0003. */
  snippet: string;
  created_at: number;
}

/** A page of matching messages. */
export interface SearchMessagesResult {
  hits: SearchHit[];
  next_cursor: string | null;
}

/** Export a session: everything as JSON, or the branch in use as Markdown. */
export interface ExportSessionParams {
  session_id: string;
  /** Default json. */
  format?: "json" | "markdown" | null | undefined;
}

/** The exported text, and a name for its file. */
export interface ExportSessionResult {
  format: "json" | "markdown";
  filename: string;
  content: string;
}

/** Import JSON that export_session wrote. The session gets a new id if the old one is in use. */
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
  edited_at?: number | null;
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

/** Topic servers: a server changed. Starts with every existing server. */
export interface ServerEvent {
  status: "server";
  /** Events of this topic dropped before this one because the host read slowly. */
  dropped: number;
  server: ServerInfo;
}

/** Topic servers: a server was stopped. */
export interface ServerRemovedEvent {
  status: "server_removed";
  /** Events of this topic dropped before this one because the host read slowly. */
  dropped: number;
  server_id: string;
}

/** Topic resources: a reading. */
export interface ResourcesEvent {
  status: "resources";
  /** Events of this topic dropped before this one because the host read slowly. */
  dropped: number;
  resources: Resources;
}

/** Topic logs: new lines. */
export interface LogsEvent {
  status: "logs";
  entries: LogEntry[];
  /** Lines dropped before these because the host read slowly. */
  dropped: number;
}

/** Topic sessions: a session was created, changed, restored or used. */
export interface SessionEvent {
  status: "session";
  /** Events of this topic dropped before this one because the host read slowly. */
  dropped: number;
  session: Session;
}

/** Topic sessions: a session was deleted. */
export interface SessionDeletedEvent {
  status: "session_deleted";
  /** Events of this topic dropped before this one because the host read slowly. */
  dropped: number;
  session_id: string;
}

/** Topic models: a model was added or changed. Starts with every existing model. */
export interface ModelEvent {
  status: "model";
  /** Events of this topic dropped before this one because the host read slowly. */
  dropped: number;
  model: ModelInfo;
}

/** Topic models: a model was removed. */
export interface ModelRemovedEvent {
  status: "model_removed";
  /** Events of this topic dropped before this one because the host read slowly. */
  dropped: number;
  name: string;
}

/** Topic downloads: a download changed or progressed. Starts with every one in list_downloads. */
export interface DownloadStateEvent {
  status: "download";
  /** Events of this topic dropped before this one because the host read slowly. */
  dropped: number;
  download: Download;
}

/** Topic engines: the managed builds or their default changed. Starts with the existing builds. */
export interface EnginesEvent {
  status: "engines";
  /** Events of this topic dropped before this one because the host read slowly. */
  dropped: number;
  managed: ManagedEngines;
}

/** The subscription ended. */
export interface SubscriptionDone {
  status: "done";
}

/** A warning about a request that was carried out. */
export interface ResultWarning {
  code: WarningCode;
  /** What was not honoured, and why; a sentence for people. */
  message: string;
  remedies: Remedy[];
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
  /** Introduce the host, and return the sidecar's version and capabilities. Optional for simple hosts. */
  initialize: { params: InitializeParams; result: InitializeResult; events: never };
  /** Answer immediately, which shows that the connection works. */
  ping: { params: PingParams; result: "pong"; events: never };
  /** Stop every engine and owned process, flush, answer, and exit with code 0, within 5 s. */
  shutdown: { params: ShutdownParams; result: null; events: never };
  /** Return the contract as an OpenRPC document. */
  "rpc.discover": { params: DiscoverParams; result: Record<string, unknown>; events: never };
  /**
   * Receive the events of topics on a channel, starting with the current state.
   *
   * The channel outlives this request: it ends with `done`, written before the response to `unsubscribe`.
   * If the host reads slowly, old events are dropped or replaced by newer ones, and counted in `dropped`.
   */
  subscribe: { params: SubscribeParams; result: SubscribeResult; events: TopicEvent };
  /** End a subscription; its channel ends with `done` before the response. */
  unsubscribe: { params: UnsubscribeParams; result: UnsubscribeResult; events: never };
  /**
   * Start an engine with a model; answered when it is ready for messages.
   *
   * If no engine is named, the best one found is used: the configured llama.cpp folder, then the default managed build,
   * then PATH, then the embedded engine, then llama-cpp-python.
   */
  start_llama_server: { params: StartLlamaServerParams; result: ServerInfo; events: StartEvent };
  /** Stop a server in any state; answered when its process has ended. */
  stop_llama_server: { params: StopLlamaServerParams; result: "llama-server stopped"; events: never };
  /** Return whether the server accepts messages: it is ready, or sleeps until the next message. */
  is_llama_running: { params: IsLlamaRunningParams; result: boolean; events: never };
  /** Return the settings a server runs with, or would start with if it does not exist. */
  get_llama_config: { params: GetLlamaConfigParams; result: LlamaConfig; events: never };
  /** Return a server, and how to connect to it directly. */
  get_server: { params: GetServerParams; result: ServerDetails; events: never };
  /** List every server that was started and not stopped, including failed ones. */
  list_servers: { params: ListServersParams; result: ServerInfo[]; events: never };
  /**
   * Stop a server and start it with the same settings.
   *
   * Running answers end with SERVER_NOT_RUNNING; queued and new messages wait for the new engine.
   */
  restart_server: { params: RestartServerParams; result: ServerInfo; events: StartEvent };
  /**
   * Stop a server and start it with another model and otherwise the same settings. Sessions stay.
   *
   * Settings of the previous model are not kept: chat template, projector, LoRA adapters, draft model, and RoPE and
   * YaRN scaling. Running answers end with
   * SERVER_NOT_RUNNING; queued and new messages wait for the new engine.
   */
  switch_model: { params: SwitchModelParams; result: ServerInfo; events: StartEvent };
  /** Return the command that start_llama_server would run. Nothing is started or written. */
  preview_command: { params: PreviewCommandParams; result: PreviewCommandResult; events: never };
  /** Check the health of an engine. */
  ping_server: { params: PingServerParams; result: PingServerResult; events: never };
  /** List the engines of this machine, best first, including every managed build. */
  list_engines: { params: ListEnginesParams; result: EngineInfo[]; events: never };
  /** Report the capabilities of a llama.cpp build in a folder. */
  probe_engine: { params: ProbeEngineParams; result: ProbeEngineResult; events: never };
  /**
   * Install a llama.cpp build from a release archive (.zip, .tar.gz or .tar.xz); answered once the build is proved.
   *
   * Give `url` or `path`. The archive is checked and unpacked beside the other builds. The build must generate one token
   * with a tiny model that the sidecar creates for this; only then is it installed. A build that fails is removed, and
   * the default does not change. Cancelling keeps only the downloaded part, from which the same request resumes.
   */
  install_engine: { params: InstallEngineParams; result: EngineInfo; events: InstallEvent };
  /** Choose the managed build for starts that name no engine, once it is proved; or none. */
  set_default_engine: { params: SetDefaultEngineParams; result: ManagedEngines; events: never };
  /** Remove a managed build. If it was the default, the last good build becomes the default. */
  remove_engine: { params: RemoveEngineParams; result: ManagedEngines; events: never };
  /**
   * Send a message to a session and get the answer, streamed if `channel` is given.
   *
   * Messages to one session are answered in order of arrival. The user's message is stored before the first event
   * from the engine is sent, and the answer is stored before `done`.
   */
  send_message: { params: SendMessageParams; result: TurnResult; events: TurnEvent };
  /** Generate an answer again. The old answer stays as a sibling branch. */
  regenerate_message: { params: RegenerateMessageParams; result: TurnResult; events: TurnEvent };
  /** Replace a user message and answer it. The old message and all after it stay as a sibling branch. */
  edit_message: { params: EditMessageParams; result: TurnResult; events: TurnEvent };
  /**
   * Continue an answer that was cut: it reached max_tokens, was cancelled or interrupted, or a person has edited it.
   *
   * The answer stays one message with its id. Events carry the new text, the result the whole. It has to be the end of
   * its branch, and an engine without assistant prefill refuses with NOT_SUPPORTED. The model does not reason again.
   */
  continue_message: { params: ContinueMessageParams; result: TurnResult; events: TurnEvent };
  /**
   * Delete one message permanently. The messages after it stay, and follow the one before it.
   *
   * A branch that ends with it ends with the message before it, or continues on the newest branch from there. A message
   * that is being written is refused: cancel it first.
   */
  delete_message: { params: DeleteMessageParams; result: Session; events: never };
  /**
   * Replace the text of a message in place, as a person's correction; it is marked with `edited_at`.
   *
   * Nothing is answered again, and the old text is not kept: edit_message makes a branch instead. Images stay.
   */
  update_message: { params: UpdateMessageParams; result: Message; events: never };
  /** Stop a session's answer; answered when the engine no longer works on it. */
  cancel_message: { params: CancelMessageParams; result: CancelMessageResult; events: never };
  /** Count the exact tokens of a text, or of a conversation in the model's chat template. */
  count_tokens: { params: CountTokensParams; result: CountTokensResult; events: never };
  /** Show what send_message would send and leave out, and why. Nothing is sent to the model or stored. */
  preview_context: { params: PreviewContextParams; result: PreviewContextResult; events: never };
  /**
   * Follow the running or last answer of a session again, after a reload, a lost connection or a restart.
   *
   * The events after `after_seq` are sent again on `channel` under their old `seq`, then the new ones as they
   * occur. The response is that of the send_message that is followed.
   */
  resume_session: { params: ResumeSessionParams; result: TurnResult; events: TurnEvent };
  /** Acknowledge the events of a session's last answer, so that they need not be kept for resume_session. */
  ack: { params: AckParams; result: AckResult; events: never };
  /** Create an empty session. */
  create_session: { params: CreateSessionParams; result: Session; events: never };
  /** List sessions, the last used first. */
  list_sessions: { params: ListSessionsParams; result: ListSessionsResult; events: never };
  /** Return a session. */
  get_session: { params: GetSessionParams; result: Session; events: never };
  /** Return the messages of a branch, oldest first: the newest ones, as many as the host reads in a line. */
  get_messages: { params: GetMessagesParams; result: GetMessagesResult; events: never };
  /** Change a session; omitted members keep their value. */
  update_session: { params: UpdateSessionParams; result: Session; events: never };
  /** Delete a session. restore_session can restore it until it is purged. */
  delete_session: { params: DeleteSessionParams; result: DeleteSessionResult; events: never };
  /** List the deleted sessions that restore_session can restore, the last deleted first. */
  list_deleted_sessions: { params: ListDeletedSessionsParams; result: ListDeletedSessionsResult; events: never };
  /** Undo delete_session. */
  restore_session: { params: RestoreSessionParams; result: Session; events: never };
  /**
   * Search for messages that contain all the words, the newest first. The last word may be a prefix of two letters.
   *
   * A search that takes too long is cancelled with INVALID_PARAMS and the path `$.query`.
   *
   * Refused while the history is encrypted (`storage.encrypt`): an index would contain its words in plain text.
   */
  search_messages: { params: SearchMessagesParams; result: SearchMessagesResult; events: never };
  /** Export a session: everything as JSON, or the branch in use as Markdown. */
  export_session: { params: ExportSessionParams; result: ExportSessionResult; events: never };
  /** Import JSON that export_session wrote. The session gets a new id if the old one is in use. */
  import_session: { params: ImportSessionParams; result: Session; events: never };
  /** Return the whole config, with defaults filled in. */
  get_config: { params: GetConfigParams; result: Config; events: never };
  /**
   * Change settings by a JSON merge patch (RFC 7396): omitted keys keep their value, `null` restores the default.
   *
   * The file is replaced atomically. Running servers keep the settings they were started with.
   * A change of `storage.encrypt` rewrites the history before the response.
   */
  set_config: { params: SetConfigParams; result: Config; events: never };
  /** Restore the defaults. */
  reset_config: { params: ResetConfigParams; result: Config; events: never };
  /** Return the JSON Schema of the config, with descriptions and defaults. */
  get_config_schema: { params: GetConfigSchemaParams; result: Record<string, unknown>; events: never };
  /** Return the latest lines that are still in memory, oldest first. */
  get_logs: { params: GetLogsParams; result: GetLogsResult; events: never };
  /** List the sources that have logged. */
  list_log_sources: { params: ListLogSourcesParams; result: LogSource[]; events: never };
  /** Clear the lines in memory and empty the files. */
  clear_logs: { params: ClearLogsParams; result: null; events: never };
  /**
   * List the models in the library: the sidecar's own, those in the config's folders, and those of other programs.
   *
   * Models of other programs are used in place: their files are never copied or written to. The list is in the order of
   * names, and an answer has at most 8 MiB: a host with more than ten thousand models asks for the next page until one
   * is empty.
   */
  list_models: { params: ListModelsParams; result: ModelInfo[]; events: never };
  /** Return a model with the details in its header, which is read completely. */
  get_model: { params: GetModelParams; result: ModelDetails; events: never };
  /** Scan all sources, as list_models does, and report what each one has and what was skipped. */
  scan_models: { params: ScanModelsParams; result: ScanModelsResult; events: ScanEvent };
  /** Return the header of a GGUF file. Nothing else of the file is read. */
  inspect_model: { params: InspectModelParams; result: InspectModelResult; events: never };
  /**
   * Import a GGUF file into the sidecar's own models folder, with the other parts of a split model and its projector.
   *
   * Existing files are never overwritten. A model of another program can be linked or copied, not moved.
   */
  import_model: { params: ImportModelParams; result: ModelInfo; events: ImportEvent };
  /**
   * Delete a model in the sidecar's own folder. restore_model can restore it until it is purged.
   *
   * Files of other programs and in the config's folders are never deleted: of a link in our folder, only the link is.
   */
  delete_model: { params: DeleteModelParams; result: DeletedModel; events: never };
  /** List the deleted models that can be restored, the last deleted first. */
  list_deleted_models: { params: ListDeletedModelsParams; result: TrashedModel[]; events: never };
  /** Undo delete_model: the files are moved back to where they were. */
  restore_model: { params: RestoreModelParams; result: ModelInfo; events: never };
  /** Delete permanently what restore_model could restore. */
  empty_trash: { params: EmptyTrashParams; result: EmptyTrashResult; events: never };
  /**
   * Search the hub for models that have GGUF files; the most downloaded first.
   *
   * The hub is Hugging Face, or the mirror that the config's `downloads.hub_endpoint` or HF_ENDPOINT names.
   */
  search_hub: { params: SearchHubParams; result: HubModel[]; events: never };
  /** List the models in a repository of the hub: each quantisation, its size, and whether it fits this machine. */
  list_hub_files: { params: ListHubFilesParams; result: ListHubFilesResult; events: never };
  /**
   * Download a model into the library; answered when the model is complete, verified and in place.
   *
   * Give `repo` or `url`. A split model and its projector are one download. Received data is kept: a download resumes
   * where it stopped after a lost connection, a restart of the sidecar or the end of its host. The model is listed only
   * when all of its files are complete and verified.
   *
   * A repeated request follows a running download, and resumes one that failed or was paused.
   * Cancelling the request pauses the download; cancel_download discards it.
   */
  download_model: { params: DownloadModelParams; result: Download; events: DownloadEvent };
  /** List downloads that are not done, and those that ended since the sidecar started; oldest first. */
  list_downloads: { params: ListDownloadsParams; result: Download[]; events: never };
  /** Pause a download and keep the received data. Answered when the transfer has stopped. */
  pause_download: { params: PauseDownloadParams; result: Download; events: never };
  /** Resume a download that was paused or failed; answered immediately. */
  resume_download: { params: ResumeDownloadParams; result: Download; events: never };
  /** Cancel a download and delete the received data. A finished download is kept. */
  cancel_download: { params: CancelDownloadParams; result: Download; events: never };
  /**
   * Estimate the memory that start_llama_server would use with these settings. Nothing is loaded.
   *
   * The estimate comes from the engine's own allocator if it has one (llama-server and the embedded engine: about half
   * a second, then cached); otherwise it is calculated from the model's header.
   */
  estimate_memory: { params: EstimateMemoryParams; result: MemoryEstimate; events: never };
  /** Recommend settings for a model on this machine in its current state, each with a reason. */
  recommend_settings: { params: RecommendSettingsParams; result: RecommendSettingsResult; events: never };
  /** Read the machine's resources now. */
  get_resources: { params: GetResourcesParams; result: Resources; events: never };
}

/** The name of a method. */
export type MethodName = keyof Methods;
