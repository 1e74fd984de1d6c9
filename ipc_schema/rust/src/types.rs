//! Every type of the contract. Generated from sidecar/contract by build/schema/generate.py; do not edit.
//!
//! Members that this crate does not know are ignored, values that it does not know are `Newer`, so that it goes
//! on working with a later minor version of the contract.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Acknowledge the events of a session's last answer, so that they need not be kept for resume_session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AckParams {
    pub session_id: String,
    /// `seq` of the last event received. Default: all, once the answer has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<i64>,
}

impl AckParams {
    /// What must be given; everything else is left to its default.
    pub fn new(session_id: impl Into<String>) -> Self {
        Self {
            session_id: session_id.into(),
            seq: None,
        }
    }
}

/// How many events are still kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AckResult {
    pub kept_events: i64,
}

/// Audio, as base64.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AudioData {
    pub data: String,
    pub format: AudioDataFormat,
}

impl AudioData {
    /// What must be given; everything else is left to its default.
    pub fn new(data: impl Into<String>, format: impl Into<AudioDataFormat>) -> Self {
        Self {
            data: data.into(),
            format: format.into(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AudioDataFormat {
    #[serde(rename = "mp3")]
    Mp3,
    #[serde(rename = "wav")]
    Wav,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Audio in a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AudioPart {
    pub input_audio: AudioData,
}

impl AudioPart {
    /// What must be given; everything else is left to its default.
    pub fn new(input_audio: impl Into<AudioData>) -> Self {
        Self {
            input_audio: input_audio.into(),
        }
    }
}

/// Types of the KV cache, in llama.cpp's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CacheType {
    #[serde(rename = "f32")]
    F32,
    #[serde(rename = "f16")]
    F16,
    #[serde(rename = "bf16")]
    Bf16,
    #[serde(rename = "q8_0")]
    Q8_0,
    #[serde(rename = "q4_0")]
    Q4_0,
    #[serde(rename = "q4_1")]
    Q4_1,
    #[serde(rename = "iq4_nl")]
    Iq4Nl,
    #[serde(rename = "q5_0")]
    Q5_0,
    #[serde(rename = "q5_1")]
    Q5_1,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Cancel a download and delete the received data. A finished download is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelDownloadParams {
    /// As in list_downloads.
    pub download_id: String,
}

impl CancelDownloadParams {
    /// What must be given; everything else is left to its default.
    pub fn new(download_id: impl Into<String>) -> Self {
        Self {
            download_id: download_id.into(),
        }
    }
}

/// Stop a session's answer; answered when the engine no longer works on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelMessageParams {
    pub session_id: String,
}

impl CancelMessageParams {
    /// What must be given; everything else is left to its default.
    pub fn new(session_id: impl Into<String>) -> Self {
        Self {
            session_id: session_id.into(),
        }
    }
}

/// What was stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelMessageResult {
    /// Answers stopped: the running one and those queued behind it.
    pub cancelled: i64,
    /// Whether the engine is idle again; null if it does not report that.
    pub engine_idle: Option<bool>,
    /// Set if the engine did not stop by itself and was ended; its server starts another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_ended: Option<bool>,
}

/// The host cancelled the request; of an answer, the part that was kept is in `partial`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelledEvent {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial: Option<String>,
    /// Of an answer: its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}

/// What this sidecar supports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Every method that can be called.
    pub methods: Vec<String>,
    /// Every topic that can be subscribed to.
    pub topics: Vec<String>,
    /// The longest line accepted, without its LF.
    pub max_line_bytes: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Capability {
    #[serde(rename = "chat")]
    Chat,
    #[serde(rename = "tools")]
    Tools,
    #[serde(rename = "reasoning")]
    Reasoning,
    #[serde(rename = "vision")]
    Vision,
    #[serde(rename = "audio")]
    Audio,
    #[serde(rename = "embeddings")]
    Embeddings,
    #[serde(rename = "reranking")]
    Reranking,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Why an engine did not start or did not stay, decided from its exit code and the end of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    #[serde(rename = "OUT_OF_MEMORY")]
    OutOfMemory,
    #[serde(rename = "MODEL_CORRUPT")]
    ModelCorrupt,
    #[serde(rename = "MODEL_NOT_SUPPORTED")]
    ModelNotSupported,
    #[serde(rename = "BAD_FLAG")]
    BadFlag,
    #[serde(rename = "MISSING_LIBRARY")]
    MissingLibrary,
    #[serde(rename = "PORT_IN_USE")]
    PortInUse,
    #[serde(rename = "PERMISSION_DENIED")]
    PermissionDenied,
    #[serde(rename = "KILLED")]
    Killed,
    #[serde(rename = "TIMEOUT")]
    Timeout,
    #[serde(rename = "GPU_NOT_USED")]
    GpuNotUsed,
    #[serde(rename = "WRONG_PROCESSOR")]
    WrongProcessor,
    #[serde(rename = "LIBRARY_MISMATCH")]
    LibraryMismatch,
    #[serde(rename = "TEMPLATE_INVALID")]
    TemplateInvalid,
    #[serde(rename = "PROJECTOR_INVALID")]
    ProjectorInvalid,
    #[serde(rename = "LORA_INVALID")]
    LoraInvalid,
    #[serde(rename = "DRAFT_INVALID")]
    DraftInvalid,
    #[serde(rename = "DEVICE_NOT_FOUND")]
    DeviceNotFound,
    #[serde(rename = "CONTEXT_FAILED")]
    ContextFailed,
    #[serde(rename = "FILE_FAULT")]
    FileFault,
    #[serde(rename = "MEMORY_LIMIT")]
    MemoryLimit,
    #[serde(rename = "UNKNOWN")]
    Unknown,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Chat settings, used where neither message nor session has them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatConfig {
    /// 0 always chooses the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling; 1 disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Likeliest tokens to choose from; 0 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Minimum probability, relative to that of the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Maximum length of the answer. Default: until the model stops or the context is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// 1 disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// -1 chooses a new seed each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<SamplingParamsStop>,
    /// Makes tokens less likely the more often they were used. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Makes tokens less likely that were used. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// How many last tokens the penalties count; 0 is none. Engine's default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<i64>,
    /// Locally typical sampling. Engine's default: 1, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    /// Tokens within so many standard deviations of the likeliest. Engine's default: -1, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_n_sigma: Option<f64>,
    /// How often XTC excludes the likeliest tokens. Engine's default: 0, never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xtc_probability: Option<f64>,
    /// Probability above which XTC excludes; beyond 0.5 it has no effect. Engine's default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xtc_threshold: Option<f64>,
    /// Strength of DRY against repeated sequences. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_multiplier: Option<f64>,
    /// How DRY grows with the length of a repetition. Engine's default: 1.75.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_base: Option<f64>,
    /// Tokens that may repeat without DRY. Engine's default: 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_allowed_length: Option<i64>,
    /// How many last tokens DRY searches; 0 is none. Engine's default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_penalty_last_n: Option<i64>,
    /// Texts at which DRY begins again. Engine's default: "\n", ":", "\"", "*".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_sequence_breakers: Option<Vec<String>>,
    /// How far the temperature moves with the entropy. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynatemp_range: Option<f64>,
    /// How fast it moves with the entropy. Engine's default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynatemp_exponent: Option<f64>,
    /// Mirostat 1 or 2 in place of top_k, top_p and typical_p. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat: Option<i64>,
    /// Entropy that Mirostat aims at. Engine's default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat_tau: Option<f64>,
    /// Mirostat's learning rate. Engine's default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat_eta: Option<f64>,
    /// Added to a token's logit, -100 to 100. A key is the token's number, or else its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// A grammar in GBNF that the answer follows; not together with response_format or tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    /// Return how likely each token was, as `logprobs` of the result; not together with tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// Likeliest tokens to return at each place; more than 0 includes `logprobs`. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<i64>,
    /// Further sampling parameters in the engine's own words, passed on as they are; llama.cpp ignores those that it does not know. Names that have a parameter here, or change what is asked, are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling_extra: Option<Map<String, Value>>,
    /// System prompt of new sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_policy: Option<ContextPolicy>,
    /// Messages that may wait for one server before QUEUE_FULL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_queue: Option<i64>,
}

/// A named set of chat settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatPreset {
    /// 0 always chooses the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling; 1 disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Likeliest tokens to choose from; 0 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Minimum probability, relative to that of the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Maximum length of the answer. Default: until the model stops or the context is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// 1 disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// -1 chooses a new seed each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<SamplingParamsStop>,
    /// Makes tokens less likely the more often they were used. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Makes tokens less likely that were used. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// How many last tokens the penalties count; 0 is none. Engine's default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<i64>,
    /// Locally typical sampling. Engine's default: 1, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    /// Tokens within so many standard deviations of the likeliest. Engine's default: -1, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_n_sigma: Option<f64>,
    /// How often XTC excludes the likeliest tokens. Engine's default: 0, never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xtc_probability: Option<f64>,
    /// Probability above which XTC excludes; beyond 0.5 it has no effect. Engine's default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xtc_threshold: Option<f64>,
    /// Strength of DRY against repeated sequences. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_multiplier: Option<f64>,
    /// How DRY grows with the length of a repetition. Engine's default: 1.75.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_base: Option<f64>,
    /// Tokens that may repeat without DRY. Engine's default: 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_allowed_length: Option<i64>,
    /// How many last tokens DRY searches; 0 is none. Engine's default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_penalty_last_n: Option<i64>,
    /// Texts at which DRY begins again. Engine's default: "\n", ":", "\"", "*".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_sequence_breakers: Option<Vec<String>>,
    /// How far the temperature moves with the entropy. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynatemp_range: Option<f64>,
    /// How fast it moves with the entropy. Engine's default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynatemp_exponent: Option<f64>,
    /// Mirostat 1 or 2 in place of top_k, top_p and typical_p. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat: Option<i64>,
    /// Entropy that Mirostat aims at. Engine's default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat_tau: Option<f64>,
    /// Mirostat's learning rate. Engine's default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat_eta: Option<f64>,
    /// Added to a token's logit, -100 to 100. A key is the token's number, or else its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// A grammar in GBNF that the answer follows; not together with response_format or tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    /// Return how likely each token was, as `logprobs` of the result; not together with tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// Likeliest tokens to return at each place; more than 0 includes `logprobs`. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<i64>,
    /// Further sampling parameters in the engine's own words, passed on as they are; llama.cpp ignores those that it does not know. Names that have a parameter here, or change what is asked, are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling_extra: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_policy: Option<ContextPolicy>,
}

/// Clear the lines in memory and empty the files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClearLogsParams {
    /// Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Name and version of the host; written to the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientInfo {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl ClientInfo {
    /// What must be given; everything else is left to its default.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: None,
        }
    }
}

/// The whole config.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engines: Option<EnginesConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<ModelsConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downloads: Option<DownloadsConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_defaults: Option<ServerDefaults>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat: Option<ChatConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<LogsConfig>,
    /// Named start settings, for `preset` of start_llama_server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_presets: Option<BTreeMap<String, ServerSettings>>,
    /// Named chat settings, for `preset` of send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_presets: Option<BTreeMap<String, ChatPreset>>,
}

/// A part of a message, as in OpenAI's API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ContentPart {
    /// Text of a message.
    #[serde(rename = "text")]
    Text(TextPart),
    /// An image in a message.
    #[serde(rename = "image_url")]
    ImageUrl(ImagePart),
    /// Audio in a message.
    #[serde(rename = "input_audio")]
    InputAudio(AudioPart),
}

/// What happens when a conversation outgrows the model's context. `error`: CONTEXT_TOO_LONG, nothing is sent.
/// `drop_oldest`: the oldest exchanges are dropped. `keep_ends`: the first exchange stays, those after it are
/// dropped. The system prompt and the new message are never dropped, and the response always reports what was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContextPolicy {
    #[serde(rename = "error")]
    Error,
    #[serde(rename = "drop_oldest")]
    DropOldest,
    #[serde(rename = "keep_ends")]
    KeepEnds,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// How the context was used. Everything that was left out is counted here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContextUse {
    pub policy: ContextPolicy,
    /// Tokens that prompt and answer may use together.
    pub max_context: i64,
    /// Tokens of prompt and answer.
    pub used: i64,
    /// Messages of the branch not sent to the model.
    pub dropped_messages: i64,
}

/// Continue an answer that was cut: it reached max_tokens, was cancelled or interrupted, or a person has edited it.
///
/// The answer stays one message with its id. Events carry the new text, the result the whole. It has to be the end of
/// its branch, and an engine without assistant prefill refuses with NOT_SUPPORTED. The model does not reason again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContinueMessageParams {
    /// 0 always chooses the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling; 1 disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Likeliest tokens to choose from; 0 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Minimum probability, relative to that of the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Maximum length of the answer. Default: until the model stops or the context is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// 1 disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// -1 chooses a new seed each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<SamplingParamsStop>,
    /// Makes tokens less likely the more often they were used. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Makes tokens less likely that were used. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// How many last tokens the penalties count; 0 is none. Engine's default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<i64>,
    /// Locally typical sampling. Engine's default: 1, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    /// Tokens within so many standard deviations of the likeliest. Engine's default: -1, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_n_sigma: Option<f64>,
    /// How often XTC excludes the likeliest tokens. Engine's default: 0, never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xtc_probability: Option<f64>,
    /// Probability above which XTC excludes; beyond 0.5 it has no effect. Engine's default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xtc_threshold: Option<f64>,
    /// Strength of DRY against repeated sequences. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_multiplier: Option<f64>,
    /// How DRY grows with the length of a repetition. Engine's default: 1.75.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_base: Option<f64>,
    /// Tokens that may repeat without DRY. Engine's default: 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_allowed_length: Option<i64>,
    /// How many last tokens DRY searches; 0 is none. Engine's default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_penalty_last_n: Option<i64>,
    /// Texts at which DRY begins again. Engine's default: "\n", ":", "\"", "*".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_sequence_breakers: Option<Vec<String>>,
    /// How far the temperature moves with the entropy. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynatemp_range: Option<f64>,
    /// How fast it moves with the entropy. Engine's default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynatemp_exponent: Option<f64>,
    /// Mirostat 1 or 2 in place of top_k, top_p and typical_p. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat: Option<i64>,
    /// Entropy that Mirostat aims at. Engine's default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat_tau: Option<f64>,
    /// Mirostat's learning rate. Engine's default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat_eta: Option<f64>,
    /// Added to a token's logit, -100 to 100. A key is the token's number, or else its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// A grammar in GBNF that the answer follows; not together with response_format or tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    /// Return how likely each token was, as `logprobs` of the result; not together with tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// Likeliest tokens to return at each place; more than 0 includes `logprobs`. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<i64>,
    /// Further sampling parameters in the engine's own words, passed on as they are; llama.cpp ignores those that it does not know. Names that have a parameter here, or change what is asked, are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling_extra: Option<Map<String, Value>>,
    /// Default: the session's, else "default", else the only server running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Functions the model may call, in OpenAI's format. NOT_SUPPORTED if the model's chat template has no place for them; `tool_mode` has another way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Map<String, Value>>>,
    /// Same as OpenAI's tool_choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<TurnParamsToolChoice>,
    /// "native": tools as the chat template shows them, and calls as the engine reads them. "json": tools are described in the prompt, and the answer is constrained to one call, or to text where no call is required; for any model. Default "auto": native where the template has tools; a required or named call is constrained, also where the template has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_mode: Option<ToolMode>,
    /// Same as OpenAI's response_format: a JSON schema the answer must follow. The answer is compared with it; patterns that cannot be enforced are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Map<String, Value>>,
    /// Whether a reasoning model may reason. Default: the model's own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
    /// Name in the config's `chat_presets`; parameters given here override it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Default: the session's, else the config's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_policy: Option<ContextPolicy>,
    /// Name for this request's events, unique among the host's live channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    pub session_id: String,
    /// The answer to continue. Default: the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

impl ContinueMessageParams {
    /// What must be given; everything else is left to its default.
    pub fn new(session_id: impl Into<String>) -> Self {
        Self {
            temperature: None,
            top_p: None,
            top_k: None,
            min_p: None,
            max_tokens: None,
            repeat_penalty: None,
            seed: None,
            stop: None,
            frequency_penalty: None,
            presence_penalty: None,
            repeat_last_n: None,
            typical_p: None,
            top_n_sigma: None,
            xtc_probability: None,
            xtc_threshold: None,
            dry_multiplier: None,
            dry_base: None,
            dry_allowed_length: None,
            dry_penalty_last_n: None,
            dry_sequence_breakers: None,
            dynatemp_range: None,
            dynatemp_exponent: None,
            mirostat: None,
            mirostat_tau: None,
            mirostat_eta: None,
            logit_bias: None,
            grammar: None,
            logprobs: None,
            top_logprobs: None,
            sampling_extra: None,
            server_id: None,
            tools: None,
            tool_choice: None,
            tool_mode: None,
            response_format: None,
            reasoning: None,
            preset: None,
            context_policy: None,
            channel: None,
            session_id: session_id.into(),
            message_id: None,
        }
    }
}

/// Count the exact tokens of a text, or of a conversation in the model's chat template.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CountTokensParams {
    /// As in send_message; it is not stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// As in send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<String>>,
    /// As in send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Map<String, Value>>>,
    /// As in send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<PromptParamsToolChoice>,
    /// As in send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_mode: Option<ToolMode>,
    /// As in send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Map<String, Value>>,
    /// As in send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
    /// As in send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Plain text, without a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Count this session's branch in use, as it would be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// A further user message at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageContent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
}

/// The token count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CountTokensResult {
    pub tokens: i64,
    pub max_context: i64,
}

/// The processors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CpuUse {
    /// 0 to 100 over all cores, since the previous reading.
    pub percent: f64,
    pub logical_cores: i64,
    pub physical_cores: Option<i64>,
}

/// Create an empty session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CreateSessionParams {
    /// A UUID generated by the host. Default: a new UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Default: from the first user message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// System prompt. Default: the config's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The server to use. Default: the one that is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Settings of this session. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<SessionConfig>,
}

/// Delete one message permanently. The messages after it stay, and follow the one before it.
///
/// A branch that ends with it ends with the message before it, or continues on the newest branch from there. A message
/// that is being written is refused: cancel it first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeleteMessageParams {
    pub session_id: String,
    /// The message.
    pub message_id: String,
}

impl DeleteMessageParams {
    /// What must be given; everything else is left to its default.
    pub fn new(session_id: impl Into<String>, message_id: impl Into<String>) -> Self {
        Self {
            session_id: session_id.into(),
            message_id: message_id.into(),
        }
    }
}

/// Delete a model in the sidecar's own folder. restore_model can restore it until it is purged.
///
/// Files of other programs and in the config's folders are never deleted: of a link in our folder, only the link is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeleteModelParams {
    /// Name, file name or path, as in list_models.
    pub model: String,
    /// Delete immediately and permanently. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permanently: Option<bool>,
    /// Only report what would be deleted. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

impl DeleteModelParams {
    /// What must be given; everything else is left to its default.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            permanently: None,
            dry_run: None,
        }
    }
}

/// Delete a session. restore_session can restore it until it is purged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeleteSessionParams {
    pub session_id: String,
}

impl DeleteSessionParams {
    /// What must be given; everything else is left to its default.
    pub fn new(session_id: impl Into<String>) -> Self {
        Self {
            session_id: session_id.into(),
        }
    }
}

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeleteSessionResult {
    pub session_id: String,
    /// When it is deleted permanently, Unix seconds.
    pub purge_at: f64,
}

/// A file that is deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeletedFile {
    pub path: String,
    pub size_bytes: i64,
    /// 0 if it is a link, or the content has another hard link.
    pub frees_bytes: i64,
    /// Whether it is a link; its target is kept.
    pub link: bool,
}

/// What was or would be deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeletedModel {
    pub model: String,
    /// false for a dry run.
    pub deleted: bool,
    pub files: Vec<DeletedFile>,
    /// Disk space freed: immediately if permanent, otherwise when purged.
    pub frees_bytes: i64,
    pub kept: Vec<KeptFile>,
    /// Paths where the same content is kept.
    pub other_paths: Vec<String>,
    /// Ids of running servers that use it.
    pub used_by_servers: Vec<String>,
    /// For restore_model; null if permanent or a dry run.
    pub trash_id: Option<String>,
    /// Until when it can be restored.
    pub purged_at: Option<f64>,
}

/// A session that can be restored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeletedSession {
    pub session_id: String,
    pub title: String,
    /// Messages in all branches.
    pub message_count: i64,
    pub created_at: f64,
    pub updated_at: f64,
    pub deleted_at: f64,
    /// From when it may be deleted permanently, Unix seconds.
    pub purge_at: f64,
}

/// Memory of one device: the machine's own (`Host`) or a GPU's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceMemory {
    /// `Host`, or the engine's name of a GPU, such as CUDA0.
    pub device: String,
    /// The model; on `Host` including the copies that the engine rearranges for the CPU.
    pub weights_bytes: i64,
    /// KV cache and recurrent state.
    pub kv_cache_bytes: i64,
    /// Compute buffers.
    pub compute_bytes: i64,
    /// The projector for images; counted on `Host` wherever it is really loaded.
    pub projector_bytes: i64,
    /// The engine itself: its code, vocabulary and tables.
    pub program_bytes: i64,
    /// The most that earlier prompts may use, over time.
    pub prompt_cache_bytes: i64,
    /// Of `weights_bytes`: pages of the mapped file that are hardly used after the load. The system takes them back where memory is short, so they need not fit.
    pub reclaimable_bytes: i64,
    pub total_bytes: i64,
    /// Memory available now within the limits of our process; null if unknown.
    pub free_bytes: Option<i64>,
    /// Whether the total fits, with its margin of error and a reserve.
    pub fits: bool,
    /// How much memory is missing; 0 if it fits.
    pub short_by_bytes: i64,
}

/// Return the contract as an OpenRPC document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DiscoverParams {}

/// The disk of the data folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskUse {
    pub path: String,
    pub total_bytes: i64,
    pub free_bytes: i64,
}

/// A download, in whatever state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Download {
    pub download_id: String,
    pub state: DownloadState,
    /// The repository on the hub.
    pub repo: Option<String>,
    /// The commit, once it is known.
    pub revision: Option<String>,
    /// Address of a file that is not on the hub, without its query.
    pub url: Option<String>,
    /// Destination folder of the files.
    pub folder: String,
    /// Empty until the hub has answered.
    pub files: Vec<DownloadFile>,
    /// Bytes received so far; they survive restarts.
    pub received_bytes: i64,
    pub total_bytes: Option<i64>,
    /// Smoothed over several seconds; null unless data is expected.
    pub bytes_per_second: Option<f64>,
    pub eta_seconds: Option<f64>,
    /// Why no data arrives, in a sentence, while the download retries.
    pub waiting: Option<String>,
    /// Bytes read again to compute the hash.
    pub verified_bytes: i64,
    /// Paused by a restart; it resumes automatically once a host has called initialize.
    pub goes_on: bool,
    /// Why it failed; resume_download retries.
    pub error: Option<WireError>,
    /// The model's first or only file, once the download is done.
    pub model_path: Option<String>,
    pub created_at: f64,
    pub finished_at: Option<f64>,
    /// What was not honoured: a token that the hub refuses.
    pub warnings: Vec<ResultWarning>,
}

/// The file list is being fetched from the hub, and the disk space checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownloadChecking {
    pub download_id: String,
}

/// What a channel of this kind carries, distinguished by `status`: 8 kinds of event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum DownloadEvent {
    /// The download waits for others to finish.
    Queued(DownloadQueued),
    /// The file list is being fetched from the hub, and the disk space checked.
    Checking(DownloadChecking),
    /// Progress.
    Downloading(DownloadProgress),
    /// All data has been received; hashes that were not computed on the way are being computed.
    Verifying(DownloadVerifying),
    /// The download is paused until resume_download; the channel stays open.
    Paused(DownloadPaused),
    /// The model is in place; the members are the response's.
    Done(Download),
    /// The request failed; `error` is the response's.
    Error(ErrorEvent),
    /// The host cancelled the request; of an answer, the part that was kept is in `partial`.
    Cancelled(CancelledEvent),
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// A file of a download.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownloadFile {
    /// Path in the download's folder.
    pub name: String,
    /// Null if the server does not report it.
    pub size_bytes: Option<i64>,
    pub received_bytes: i64,
    /// Expected, as the hub reports it, else as computed; in hexadecimal.
    pub sha256: Option<String>,
}

/// Download a model into the library; answered when the model is complete, verified and in place.
///
/// Give `repo` or `url`. A split model and its projector are one download. Received data is kept: a download resumes
/// where it stopped after a lost connection, a restart of the sidecar or the end of its host. The model is listed only
/// when all of its files are complete and verified.
///
/// A repeated request follows a running download, and resumes one that failed or was paused.
/// Cancelling the request pauses the download; cancel_download discards it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DownloadModelParams {
    /// `owner/name`, or with a quantisation (`owner/name:Q4_K_M`), or the address of its page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// Address of a repository's page or of a file in it, or the https address of any GGUF file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A file of the repository, or a quantisation such as Q5_K_M. Default: Q4_K_M, else the nearest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Branch, tag or commit of the repository. Default: main, as of the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Absolute path of a folder. Default: a new folder in the sidecar's models folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_dir: Option<String>,
    /// Channel for its progress, at most four events a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// The download is paused until resume_download; the channel stays open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownloadPaused {
    pub download_id: String,
    pub received_bytes: i64,
    pub total_bytes: Option<i64>,
}

/// Progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownloadProgress {
    pub download_id: String,
    pub received_bytes: i64,
    pub total_bytes: Option<i64>,
    pub bytes_per_second: Option<f64>,
    pub eta_seconds: Option<f64>,
    pub waiting: Option<String>,
}

/// The download waits for others to finish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownloadQueued {
    pub download_id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DownloadState {
    #[serde(rename = "queued")]
    Queued,
    #[serde(rename = "checking")]
    Checking,
    #[serde(rename = "downloading")]
    Downloading,
    #[serde(rename = "verifying")]
    Verifying,
    #[serde(rename = "paused")]
    Paused,
    #[serde(rename = "done")]
    Done,
    #[serde(rename = "failed")]
    Failed,
    #[serde(rename = "cancelled")]
    Cancelled,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Topic downloads: a download changed or progressed. Starts with every one in list_downloads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownloadStateEvent {
    /// Events of this topic dropped before this one because the host read slowly.
    pub dropped: i64,
    pub download: Download,
}

/// All data has been received; hashes that were not computed on the way are being computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownloadVerifying {
    pub download_id: String,
    pub verified_bytes: i64,
    pub total_bytes: Option<i64>,
}

/// How models are downloaded. A change applies immediately, also to running downloads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DownloadsConfig {
    /// Rate limit of all downloads together. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes_per_second: Option<i64>,
    /// Downloads that run concurrently; the others wait in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_once: Option<i64>,
    /// Parts of a file that are downloaded in parallel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<i64>,
    /// Whether downloads that a restart interrupted resume automatically, once a host has called initialize.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_at_start: Option<bool>,
    /// Retry budget: how long a download that receives no data retries before it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_seconds: Option<f64>,
    /// A mirror of Hugging Face. Default: HF_ENDPOINT, else <https://huggingface.co>.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub_endpoint: Option<String>,
    /// File or folder of further root certificates (PEM), such as that of a company's proxy, for the hub and for downloads. Those of SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE replace the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Hosts of hubs, other than huggingface.co and this machine, that also receive the user's token if hub_endpoint or HF_ENDPOINT names them, over https. Default: none, so that a mirror does not get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_hosts: Option<Vec<String>>,
    /// Also download from this machine and the local network, there also without TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_private_addresses: Option<bool>,
}

/// A message that would be left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DroppedMessage {
    pub message_id: String,
    pub role: String,
    pub reason: String,
}

/// Replace a user message and answer it. The old message and all after it stay as a sibling branch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EditMessageParams {
    /// 0 always chooses the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling; 1 disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Likeliest tokens to choose from; 0 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Minimum probability, relative to that of the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Maximum length of the answer. Default: until the model stops or the context is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// 1 disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// -1 chooses a new seed each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<SamplingParamsStop>,
    /// Makes tokens less likely the more often they were used. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Makes tokens less likely that were used. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// How many last tokens the penalties count; 0 is none. Engine's default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<i64>,
    /// Locally typical sampling. Engine's default: 1, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    /// Tokens within so many standard deviations of the likeliest. Engine's default: -1, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_n_sigma: Option<f64>,
    /// How often XTC excludes the likeliest tokens. Engine's default: 0, never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xtc_probability: Option<f64>,
    /// Probability above which XTC excludes; beyond 0.5 it has no effect. Engine's default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xtc_threshold: Option<f64>,
    /// Strength of DRY against repeated sequences. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_multiplier: Option<f64>,
    /// How DRY grows with the length of a repetition. Engine's default: 1.75.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_base: Option<f64>,
    /// Tokens that may repeat without DRY. Engine's default: 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_allowed_length: Option<i64>,
    /// How many last tokens DRY searches; 0 is none. Engine's default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_penalty_last_n: Option<i64>,
    /// Texts at which DRY begins again. Engine's default: "\n", ":", "\"", "*".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_sequence_breakers: Option<Vec<String>>,
    /// How far the temperature moves with the entropy. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynatemp_range: Option<f64>,
    /// How fast it moves with the entropy. Engine's default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynatemp_exponent: Option<f64>,
    /// Mirostat 1 or 2 in place of top_k, top_p and typical_p. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat: Option<i64>,
    /// Entropy that Mirostat aims at. Engine's default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat_tau: Option<f64>,
    /// Mirostat's learning rate. Engine's default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat_eta: Option<f64>,
    /// Added to a token's logit, -100 to 100. A key is the token's number, or else its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// A grammar in GBNF that the answer follows; not together with response_format or tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    /// Return how likely each token was, as `logprobs` of the result; not together with tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// Likeliest tokens to return at each place; more than 0 includes `logprobs`. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<i64>,
    /// Further sampling parameters in the engine's own words, passed on as they are; llama.cpp ignores those that it does not know. Names that have a parameter here, or change what is asked, are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling_extra: Option<Map<String, Value>>,
    /// Default: the session's, else "default", else the only server running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Functions the model may call, in OpenAI's format. NOT_SUPPORTED if the model's chat template has no place for them; `tool_mode` has another way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Map<String, Value>>>,
    /// Same as OpenAI's tool_choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<TurnParamsToolChoice>,
    /// "native": tools as the chat template shows them, and calls as the engine reads them. "json": tools are described in the prompt, and the answer is constrained to one call, or to text where no call is required; for any model. Default "auto": native where the template has tools; a required or named call is constrained, also where the template has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_mode: Option<ToolMode>,
    /// Same as OpenAI's response_format: a JSON schema the answer must follow. The answer is compared with it; patterns that cannot be enforced are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Map<String, Value>>,
    /// Whether a reasoning model may reason. Default: the model's own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
    /// Name in the config's `chat_presets`; parameters given here override it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Default: the session's, else the config's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_policy: Option<ContextPolicy>,
    /// Name for this request's events, unique among the host's live channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    pub session_id: String,
    /// The user message to replace.
    pub message_id: String,
    pub message: MessageContent,
    /// As in send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<String>>,
}

impl EditMessageParams {
    /// What must be given; everything else is left to its default.
    pub fn new(
        session_id: impl Into<String>,
        message_id: impl Into<String>,
        message: impl Into<MessageContent>,
    ) -> Self {
        Self {
            temperature: None,
            top_p: None,
            top_k: None,
            min_p: None,
            max_tokens: None,
            repeat_penalty: None,
            seed: None,
            stop: None,
            frequency_penalty: None,
            presence_penalty: None,
            repeat_last_n: None,
            typical_p: None,
            top_n_sigma: None,
            xtc_probability: None,
            xtc_threshold: None,
            dry_multiplier: None,
            dry_base: None,
            dry_allowed_length: None,
            dry_penalty_last_n: None,
            dry_sequence_breakers: None,
            dynatemp_range: None,
            dynatemp_exponent: None,
            mirostat: None,
            mirostat_tau: None,
            mirostat_eta: None,
            logit_bias: None,
            grammar: None,
            logprobs: None,
            top_logprobs: None,
            sampling_extra: None,
            server_id: None,
            tools: None,
            tool_choice: None,
            tool_mode: None,
            response_format: None,
            reasoning: None,
            preset: None,
            context_policy: None,
            channel: None,
            session_id: session_id.into(),
            message_id: message_id.into(),
            message: message.into(),
            images: None,
        }
    }
}

/// Delete permanently what restore_model could restore.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EmptyTrashParams {
    /// Only this model: `trash_id` or name. Default: everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmptyTrashResult {
    pub models: i64,
    pub freed_bytes: i64,
}

/// A device that the build can use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineDevice {
    /// The engine's name for it, such as CUDA0.
    pub name: String,
    pub description: String,
    pub total_bytes: Option<i64>,
    pub free_bytes: Option<i64>,
    /// Whether its memory is main memory, as with integrated GPUs: no further room.
    pub shares_main_memory: bool,
}

/// An engine, and whether it can be used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineInfo {
    pub engine: EngineName,
    pub available: bool,
    /// The program or module to run.
    pub path: Option<String>,
    pub version: Option<String>,
    /// Where it was found: the config's llama_cpp_path, a managed build, PATH, or a Python package.
    pub origin: EngineOrigin,
    /// A sentence: found, or what is missing and how to install it.
    pub message: String,
    /// Name of a managed build, for engine_build, set_default_engine and remove_engine.
    pub name: Option<String>,
    /// Whether it is the managed build that starts use.
    pub default: bool,
    /// Install time of a managed build, Unix seconds.
    pub installed_at: Option<f64>,
    /// The last proof of a managed build.
    pub proof: Option<EngineProof>,
    /// Why a managed build cannot be used, or was replaced as the default.
    pub problem: Option<String>,
}

/// `llama-server`: llama.cpp's own program. `embedded`: the same server from a wheel, no compiler needed.
/// `llama-cpp-python`: that project's `llama_cpp.server`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EngineName {
    #[serde(rename = "llama-server")]
    LlamaServer,
    #[serde(rename = "embedded")]
    Embedded,
    #[serde(rename = "llama-cpp-python")]
    LlamaCppPython,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EngineOrigin {
    #[serde(rename = "config")]
    Config,
    #[serde(rename = "managed")]
    Managed,
    #[serde(rename = "path")]
    Path,
    #[serde(rename = "package")]
    Package,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// What a build reported when it generated a token with a tiny model that the sidecar creates for this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineProof {
    /// Unix seconds.
    pub proved_at: f64,
    pub version: String,
    /// Kinds of device it can use, such as CPU, CUDA, Vulkan.
    pub backends: Vec<String>,
    pub devices: Vec<EngineDevice>,
    /// Layers on a GPU, if it reports them.
    pub gpu_layers: Option<i64>,
    /// Layers of the tiny model, if it reports them.
    pub total_layers: Option<i64>,
    /// From the start of its process until it was ready.
    pub load_ms: f64,
    /// From the request to the end of the one-token answer.
    pub token_ms: f64,
}

/// Which engine to use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EnginesConfig {
    /// Folder of a llama.cpp build to prefer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llama_cpp_path: Option<String>,
    /// Engine to use if none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred: Option<EngineName>,
    /// Python interpreter that has llama-cpp-python, if the sidecar's own does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// How long an engine may start without progress. An engine that only writes to its log is stopped after five times as long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_timeout_seconds: Option<f64>,
    /// How long a ready engine may leave a health check unanswered before it is restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_timeout_seconds: Option<f64>,
    /// Automatic restarts of a crashing engine within three minutes of being ready, before its server fails; 0 for none. At most five starts happen in that time, the first one included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_restarts: Option<i64>,
    /// Idle timeout: minutes without a request after which a server's engine is stopped and its memory freed; the next message starts it again. Servers on a port of their own are not stopped. null: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_unload_minutes: Option<f64>,
    /// How many servers may have their model loaded. A start beyond that evicts the least recently used server, and waits while all of them are answering. null: as many as fit in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_loaded: Option<i64>,
    /// Evict idle servers, the least recently used first, if a start would not fit in memory beside them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub make_room: Option<bool>,
    /// How long an engine may take to exit before it is killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_grace_seconds: Option<f64>,
}

/// Topic engines: the managed builds or their default changed. Starts with the existing builds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnginesEvent {
    /// Events of this topic dropped before this one because the host read slowly.
    pub dropped: i64,
    pub managed: ManagedEngines,
}

/// The request failed; `error` is the response's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorEvent {
    pub error: WireError,
}

/// Estimate the memory that start_llama_server would use with these settings. Nothing is loaded.
///
/// The estimate comes from the engine's own allocator if it has one (llama-server and the embedded engine: about half
/// a second, then cached); otherwise it is calculated from the model's header.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EstimateMemoryParams {
    /// Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llama_cpp_path: Option<String>,
    /// Name of a managed build. `llama_cpp_path` overrides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_build: Option<String>,
    /// The GGUF file to load. Overrides `model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_path: Option<String>,
    /// Name of a model in the library. If neither is given: the config's default, else the only chat model, else the last used, else the starter model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// Address to listen on, with `port`. Default 127.0.0.1. Other addresses require the key, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Context in tokens; 0 uses the model's own. Default 4096.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx_size: Option<i64>,
    /// Messages answered concurrently; they share the context. Default 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<i64>,
    /// Layers on the GPU; -1 is all that fit, 0 none. Default -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_gpu_layers: Option<i64>,
    /// Default: the best one found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineName>,
    /// Projector GGUF of a vision or audio model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mmproj_path: Option<String>,
    /// `auto`: the one that the library found for the model, unless `mmproj_path` names another. `none`: no projector; the model takes text only, and uses less memory. Default auto.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projector: Option<ServerSettingsProjector>,
    /// CPU threads. Default: the engine's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<i64>,
    /// Logical batch of the prompt, tokens. Default: the engine's, 2048.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<i64>,
    /// Physical batch of the prompt, tokens. Default: the engine's, 512.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ubatch_size: Option<i64>,
    /// Flash attention. Default auto.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flash_attn: Option<ServerSettingsFlashAttn>,
    /// Type of the K cache. Default f16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_type_k: Option<CacheType>,
    /// Type of the V cache. Default f16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_type_v: Option<CacheType>,
    /// Fail instead of running wholly or partly on the CPU when a GPU was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_gpu: Option<bool>,
    /// Layers whose experts stay on the CPU. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_cpu_moe: Option<i64>,
    /// Name or Jinja text of a chat template. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
    /// File with a Jinja chat template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_template_file: Option<String>,
    /// LoRA adapter files to apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora: Option<Vec<String>>,
    /// Maximum reasoning tokens; -1 is unlimited, 0 none. Default -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_budget: Option<i64>,
    /// Serve embeddings only. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<bool>,
    /// llama.cpp RPC servers, host:port each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc_servers: Option<Vec<String>>,
    /// Main memory for earlier prompts, MiB: they need not be read again. -1 is no limit, 0 none. Default: the config's, else an eighth of the machine's memory beyond 4 GiB, 8192 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_ram_mib: Option<i64>,
    /// GPUs to use, by the names of probe_engine, such as CUDA0; \["none"\] for none. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<String>>,
    /// How a model is divided among GPUs: not at all, by layers, by rows. Default layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_mode: Option<ServerSettingsSplitMode>,
    /// Proportion of the model on each GPU, such as \[3, 1\]. Default: by their free memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor_split: Option<Vec<f64>>,
    /// Index of the GPU that is used alone with split_mode none, and first with row. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_gpu: Option<i64>,
    /// Read the model into memory instead of mapping its file: slower to load. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_mmap: Option<bool>,
    /// Keep the model in memory, so that it is never swapped out. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlock: Option<bool>,
    /// Optimization for machines with several memory nodes. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numa: Option<ServerSettingsNuma>,
    /// RoPE scaling, to extend the context. Default: the model's, else linear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_scaling: Option<ServerSettingsRopeScaling>,
    /// Factor by which RoPE scaling extends the context. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_scale: Option<f64>,
    /// Base frequency of RoPE. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_freq_base: Option<f64>,
    /// Frequency factor of RoPE; 1/N extends the context by N. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_freq_scale: Option<f64>,
    /// YaRN: context the model was trained with, tokens. Default 0: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_orig_ctx: Option<i64>,
    /// YaRN: extrapolation mix; 0 is full interpolation. Default -1: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_ext_factor: Option<f64>,
    /// YaRN: factor of the attention's magnitude. Default -1: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_attn_factor: Option<f64>,
    /// YaRN: high correction dimension. Default -1: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_beta_slow: Option<f64>,
    /// YaRN: low correction dimension. Default -1: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_beta_fast: Option<f64>,
    /// GGUF file of a small model that proposes tokens (speculative decoding): faster, with the same answers. It needs the same vocabulary, and memory of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft_model: Option<String>,
    /// Kind of speculative decoding. Default: draft-simple with a draft_model, else none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_type: Option<SpecType>,
    /// Most tokens proposed by the draft model at a time. Default: the engine's, 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_draft_n_max: Option<i64>,
    /// Fewest tokens proposed by the draft model at a time. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_draft_n_min: Option<i64>,
    /// Probability below which the draft model stops proposing. Default: the engine's, 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_draft_p_min: Option<f64>,
    /// Layers of the draft model on the GPU; -1 is all that fit, 0 none. Default -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_draft_n_gpu_layers: Option<i64>,
    /// Keep the whole context of layers with a sliding window: more memory, and earlier prompts can be used again. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swa_full: Option<bool>,
    /// Whether messages share one context of ctx_size; false gives each of `parallel` an equal part. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_unified: Option<bool>,
    /// The key of the engine's own API, kept over restarts; 16 to 256 letters, digits or ._~+/=-. Never logged or shown in a command. Default: a new random one for each run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// Further flags, passed unchanged. Refused if the engine does not have them, or if they would change its model, address, key or access rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_args: Option<Vec<String>>,
    /// Further environment variables of the engine process; it inherits only what drivers need. LLAMA_API_KEY and LLAMA_ARG_… are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// As in start_llama_server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Only calculate from the header: takes milliseconds and runs no engine. For long lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quick: Option<bool>,
}

/// Export a session: everything as JSON, or the branch in use as Markdown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportSessionParams {
    pub session_id: String,
    /// Default json.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<ExportSessionParamsFormat>,
}

impl ExportSessionParams {
    /// What must be given; everything else is left to its default.
    pub fn new(session_id: impl Into<String>) -> Self {
        Self {
            session_id: session_id.into(),
            format: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExportSessionParamsFormat {
    #[serde(rename = "json")]
    Json,
    #[serde(rename = "markdown")]
    Markdown,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// The exported text, and a name for its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportSessionResult {
    pub format: ExportSessionResultFormat,
    pub filename: String,
    pub content: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExportSessionResultFormat {
    #[serde(rename = "json")]
    Json,
    #[serde(rename = "markdown")]
    Markdown,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// A message in an exported file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportedMessage {
    pub message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    pub role: ExportedMessageRole,
    pub content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<Map<String, Value>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<ExportedMessageState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub created_at: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExportedMessageRole {
    #[serde(rename = "assistant")]
    Assistant,
    #[serde(rename = "tool")]
    Tool,
    #[serde(rename = "user")]
    User,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExportedMessageState {
    #[serde(rename = "cancelled")]
    Cancelled,
    #[serde(rename = "complete")]
    Complete,
    #[serde(rename = "error")]
    Error,
    #[serde(rename = "interrupted")]
    Interrupted,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Why an answer ended, as in OpenAI's API. `stop`: the model ended it, or one of `stop` came. `length`: `max_tokens` is
/// reached, or the context is full. `tool_calls`: the host is to carry out calls. `content_filter`: an engine with a filter
/// left something out; llama.cpp has none. Whatever else an engine says is one of these, or `stop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FinishReason {
    #[serde(rename = "stop")]
    Stop,
    #[serde(rename = "length")]
    Length,
    #[serde(rename = "tool_calls")]
    ToolCalls,
    #[serde(rename = "content_filter")]
    ContentFilter,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Fit {
    #[serde(rename = "gpu")]
    Gpu,
    #[serde(rename = "memory")]
    Memory,
    #[serde(rename = "no")]
    No,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Other programs whose models are found and used in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ForeignOrigin {
    #[serde(rename = "huggingface")]
    Huggingface,
    #[serde(rename = "lm_studio")]
    LmStudio,
    #[serde(rename = "ollama")]
    Ollama,
    #[serde(rename = "jan")]
    Jan,
    #[serde(rename = "llama_cpp")]
    LlamaCpp,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Return the whole config, with defaults filled in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GetConfigParams {}

/// Return the JSON Schema of the config, with descriptions and defaults.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GetConfigSchemaParams {}

/// Return the settings a server runs with, or would start with if it does not exist.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GetLlamaConfigParams {
    /// Which server. Default "default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
}

/// Return the latest lines that are still in memory, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GetLogsParams {
    /// Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Only lines with a greater `seq`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// Maximum number of lines; the newest are returned. Default 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// Lowest level to return. Default debug: everything that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_level: Option<Level>,
}

/// Lines, and where to continue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetLogsResult {
    pub entries: Vec<LogEntry>,
    /// For `since` of the next request.
    pub last_seq: i64,
    /// Whether every line after `since` was still in memory, and all of them fit; older lines are in the files.
    pub complete: bool,
}

/// Return the messages of a branch, oldest first: the newest ones, as many as the host reads in a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetMessagesParams {
    pub session_id: String,
    /// Id of any message on the branch. Default: the branch in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Maximum number of messages; the newest are returned. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// Only messages before this one, to page backwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

impl GetMessagesParams {
    /// What must be given; everything else is left to its default.
    pub fn new(session_id: impl Into<String>) -> Self {
        Self {
            session_id: session_id.into(),
            branch: None,
            limit: None,
            before: None,
        }
    }
}

/// Messages of one branch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetMessagesResult {
    pub session_id: String,
    /// Id of the branch's last message.
    pub branch: Option<String>,
    pub messages: Vec<Message>,
    /// Whether the branch has older messages.
    pub has_more: bool,
}

/// Return a model with the details in its header, which is read completely.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetModelParams {
    /// Name, file name or path, as in list_models.
    pub model: String,
}

impl GetModelParams {
    /// What must be given; everything else is left to its default.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
        }
    }
}

/// Read the machine's resources now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GetResourcesParams {}

/// Return a server, and how to connect to it directly.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GetServerParams {
    /// Which server. Default "default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
}

/// Return a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetSessionParams {
    pub session_id: String,
}

impl GetSessionParams {
    /// What must be given; everything else is left to its default.
    pub fn new(session_id: impl Into<String>) -> Self {
        Self {
            session_id: session_id.into(),
        }
    }
}

/// Why a model is not on the GPU: decided from the engine's log, its build and the machine's hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GpuCause {
    #[serde(rename = "NO_GPU_BACKEND")]
    NoGpuBackend,
    #[serde(rename = "NO_DRIVER")]
    NoDriver,
    #[serde(rename = "DRIVER_TOO_OLD")]
    DriverTooOld,
    #[serde(rename = "DRIVER_FAILING")]
    DriverFailing,
    #[serde(rename = "DEVICE_NOT_VISIBLE")]
    DeviceNotVisible,
    #[serde(rename = "NO_GPU")]
    NoGpu,
    #[serde(rename = "TOO_LITTLE_MEMORY")]
    TooLittleMemory,
    #[serde(rename = "NOT_WANTED")]
    NotWanted,
    #[serde(rename = "UNKNOWN")]
    Unknown,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Whether GPUs can be read. A driver that fails or hangs is reported here, never as an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuStatus {
    /// `absent`: no NVIDIA driver. `hanging`: the driver has not answered in time.
    pub state: GpuStatusState,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GpuStatusState {
    #[serde(rename = "absent")]
    Absent,
    #[serde(rename = "failing")]
    Failing,
    #[serde(rename = "hanging")]
    Hanging,
    #[serde(rename = "ok")]
    Ok,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// A GPU. Values that its driver does not report are null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuUse {
    pub index: i64,
    pub name: String,
    pub uuid: String,
    /// Its own memory; null if it shares main memory.
    pub total_bytes: Option<i64>,
    pub used_bytes: Option<i64>,
    pub free_bytes: Option<i64>,
    pub utilization_percent: Option<f64>,
    pub temperature_celsius: Option<f64>,
    pub power_watts: Option<f64>,
    pub driver_version: Option<String>,
}

/// A file in a repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HubFile {
    /// Path in the repository, for `file` of download_model.
    pub path: String,
    pub size_bytes: Option<i64>,
    /// SHA-256 of the whole file, in hexadecimal.
    pub sha256: Option<String>,
}

/// A repository on the hub.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HubModel {
    /// For `repo` of list_hub_files and download_model.
    pub repo: String,
    /// In the last month.
    pub downloads: Option<i64>,
    pub likes: Option<i64>,
    /// Whether access requires the owner's approval or the acceptance of a licence.
    pub gated: bool,
    pub updated_at: Option<f64>,
    pub tags: Vec<String>,
}

/// A GGUF file that is no model by its name. It is downloaded only if `file` names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HubOtherFile {
    /// Path in the repository, for `file` of download_model.
    pub path: String,
    pub size_bytes: Option<i64>,
    /// SHA-256 of the whole file, in hexadecimal.
    pub sha256: Option<String>,
    /// What it is, by its name.
    pub kind: ModelKind,
}

/// One quantisation of a model, with all files if it is split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HubVariant {
    /// Name of the first file, without its extension.
    pub name: String,
    /// Such as Q4_K_M, from the file name.
    pub quantization: Option<String>,
    /// In order.
    pub files: Vec<HubFile>,
    /// Total size of all files.
    pub size_bytes: Option<i64>,
    /// By size alone, compared with the memory that is free now. `gpu`: it fits on the GPUs. `memory`: it fits in main memory. `no`: it fits in neither. Null if the size is unknown.
    pub fits: Option<Fit>,
    /// Whether download_model chooses it by default.
    pub default: bool,
}

/// An image in a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImagePart {
    pub image_url: ImageUrl,
}

impl ImagePart {
    /// What must be given; everything else is left to its default.
    pub fn new(image_url: impl Into<ImageUrl>) -> Self {
        Self {
            image_url: image_url.into(),
        }
    }
}

/// An image as a data: URL. Network addresses are refused: the sidecar downloads nothing for a chat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageUrl {
    /// data:image/…;base64,…
    pub url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<ImageUrlDetail>,
}

impl ImageUrl {
    /// What must be given; everything else is left to its default.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            detail: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ImageUrlDetail {
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "high")]
    High,
    #[serde(rename = "low")]
    Low,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// The model is in the library; the response describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportDone {
    pub model: String,
}

/// What a channel of this kind carries, distinguished by `status`: 4 kinds of event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum ImportEvent {
    /// Bytes are being read or copied.
    Working(ModelWork),
    /// The model is in the library; the response describes it.
    Done(ImportDone),
    /// The request failed; `error` is the response's.
    Error(ErrorEvent),
    /// The host cancelled the request; of an answer, the part that was kept is in `partial`.
    Cancelled(CancelledEvent),
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Import a GGUF file into the sidecar's own models folder, with the other parts of a split model and its projector.
///
/// Existing files are never overwritten. A model of another program can be linked or copied, not moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportModelParams {
    /// Absolute path of the file.
    pub path: String,
    /// `link` (default): a hard link, which uses no disk space; a symbolic link across file systems, which breaks if the file is removed. `copy`: a separate file. `move`: the file itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<ImportModelParamsMode>,
    /// Name of the model. Default: the file's name, or its name in its program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name for this request's events, unique among the host's live channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

impl ImportModelParams {
    /// What must be given; everything else is left to its default.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            mode: None,
            name: None,
            channel: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ImportModelParamsMode {
    #[serde(rename = "copy")]
    Copy,
    #[serde(rename = "link")]
    Link,
    #[serde(rename = "move")]
    Move,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Import JSON that export_session wrote. The session gets a new id if the old one is in use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportSessionParams {
    /// The JSON text.
    pub content: String,
}

impl ImportSessionParams {
    /// What must be given; everything else is left to its default.
    pub fn new(content: impl Into<String>) -> Self {
        Self {
            content: content.into(),
        }
    }
}

/// Introduce the host, and return the sidecar's version and capabilities. Optional for simple hosts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InitializeParams {
    /// Name and version of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientInfo>,
    /// The contract the host was written for, such as "1" or "1.2". Another major version is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract_version: Option<InitializeParamsContractVersion>,
    /// Process id of the host: the sidecar stops when this process ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_pid: Option<i64>,
    /// The longest line that the host reads: lists come in pages that fit, and a longer result is RESULT_TOO_LONG. Default: as long as those it may send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_line_bytes: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum InitializeParamsContractVersion {
    Text(String),
    Number(i64),
}

impl From<&str> for InitializeParamsContractVersion {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for InitializeParamsContractVersion {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// The handshake's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InitializeResult {
    pub server: ServerIdentity,
    pub contract_version: String,
    /// SHA-256 of the OpenRPC document; equal hashes mean equal contracts.
    pub contract_hash: String,
    /// Process id of the sidecar.
    pub pid: i64,
    /// Folder of models, history, config and logs.
    pub data_dir: String,
    pub capabilities: Capabilities,
    /// Problems found at start, such as a broken config file that was set aside.
    pub notices: Vec<Notice>,
}

/// Return the header of a GGUF file. Nothing else of the file is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InspectModelParams {
    /// Absolute path.
    pub path: String,
}

impl InspectModelParams {
    /// What must be given; everything else is left to its default.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into() }
    }
}

/// A GGUF header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InspectModelResult {
    pub path: String,
    pub size_bytes: i64,
    pub gguf_version: i64,
    pub tensor_count: i64,
    pub name: Option<String>,
    pub architecture: Option<String>,
    pub quantization: Option<String>,
    pub parameters: Option<i64>,
    pub context_length: Option<i64>,
    pub layers: Option<i64>,
    pub embedding_length: Option<i64>,
    pub heads: Option<i64>,
    pub kv_heads: Option<i64>,
    pub experts: Option<i64>,
    /// Number of tokens.
    pub vocabulary: Option<i64>,
    pub chat_template: Option<String>,
    pub licence: Option<String>,
    /// Every key and value; long arrays as {"array": type, "length": n}, texts beyond 2 MiB in total as {"text_bytes": n}.
    pub metadata: Map<String, Value>,
    /// What it is, by its header; null until the whole header has been read.
    pub kind: Option<ModelKind>,
}

/// Progress of the archive's download.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstallDownloading {
    pub received_bytes: i64,
    pub total_bytes: Option<i64>,
    pub bytes_per_second: Option<f64>,
    pub eta_seconds: Option<f64>,
    /// Why no data arrives, while the download retries.
    pub waiting: Option<String>,
}

/// Install a llama.cpp build from a release archive (.zip, .tar.gz or .tar.xz); answered once the build is proved.
///
/// Give `url` or `path`. The archive is checked and unpacked beside the other builds. The build must generate one token
/// with a tiny model that the sidecar creates for this; only then is it installed. A build that fails is removed, and
/// the default does not change. Cancelling keeps only the downloaded part, from which the same request resumes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InstallEngineParams {
    /// https address of the archive. Requires `sha256`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Absolute path of the archive on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Expected SHA-256 of the archive, as GitHub shows it beside each file of a release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Name of the build. Default: from the name of the archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether starts that name no engine use it. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub make_default: Option<bool>,
    /// Name for this request's events, unique among the host's live channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// What a channel of this kind carries, distinguished by `status`: 8 kinds of event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum InstallEvent {
    /// The request waits for another installation to finish.
    Queued,
    /// Progress of the archive's download.
    Downloading(InstallDownloading),
    /// The archive is complete, and its hash is being computed.
    Verifying(InstallVerifying),
    /// The archive is being unpacked.
    Unpacking(InstallUnpacking),
    /// The build is being proved: it generates a token.
    Proving,
    /// The build is installed; the members are the response's.
    Done(EngineInfo),
    /// The request failed; `error` is the response's.
    Error(ErrorEvent),
    /// The host cancelled the request; of an answer, the part that was kept is in `partial`.
    Cancelled(CancelledEvent),
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// The archive is being unpacked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstallUnpacking {
    /// 0 to 1.
    pub progress: f64,
}

/// The archive is complete, and its hash is being computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstallVerifying {
    pub done_bytes: i64,
    pub total_bytes: i64,
}

/// Return whether the server accepts messages: it is ready, or sleeps until the next message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct IsLlamaRunningParams {
    /// Which server. Default "default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
}

/// A file of the model that is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptFile {
    pub path: String,
    /// Other models that use it.
    pub used_by: Vec<String>,
}

/// Severity of a line, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Level {
    #[serde(rename = "debug")]
    Debug,
    #[serde(rename = "info")]
    Info,
    #[serde(rename = "warning")]
    Warning,
    #[serde(rename = "error")]
    Error,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// A place that is scanned for models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LibrarySource {
    pub origin: ModelOrigin,
    pub path: String,
    /// Whether the place exists.
    pub found: bool,
    /// GGUF files there, each counted once.
    pub files: i64,
    /// Models listed as being there; copies count where they are listed.
    pub models: i64,
    /// What was skipped there, and why; at most 20.
    pub problems: Vec<String>,
}

/// A token, and how likely it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LikelyToken {
    /// Its text; a part of a character is replaced by U+FFFD.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// Its text in UTF-8, also of a part of a character.
    pub bytes: Option<Vec<i64>>,
}

/// List the deleted models that can be restored, the last deleted first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListDeletedModelsParams {}

/// List the deleted sessions that restore_session can restore, the last deleted first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListDeletedSessionsParams {
    /// Default 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// `next_cursor` of the previous page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of deleted sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListDeletedSessionsResult {
    pub sessions: Vec<DeletedSession>,
    pub next_cursor: Option<String>,
}

/// List downloads that are not done, and those that ended since the sidecar started; oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListDownloadsParams {}

/// List the engines of this machine, best first, including every managed build.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListEnginesParams {}

/// List the models in a repository of the hub: each quantisation, its size, and whether it fits this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListHubFilesParams {
    /// `owner/name`, or the address of its page; optionally with a quantisation after a colon.
    pub repo: String,
    /// Branch, tag or commit. Default: main.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Maximum number of variants, and of other files. Default 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// `next_cursor` of the previous page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl ListHubFilesParams {
    /// What must be given; everything else is left to its default.
    pub fn new(repo: impl Into<String>) -> Self {
        Self {
            repo: repo.into(),
            revision: None,
            limit: None,
            cursor: None,
        }
    }
}

/// The models in a repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListHubFilesResult {
    /// The name as the hub spells it.
    pub repo: String,
    /// The commit; give it to download_model to download exactly this version.
    pub revision: String,
    pub gated: bool,
    pub licence: Option<String>,
    /// Smallest first.
    pub variants: Vec<HubVariant>,
    /// Projectors for images; download_model also downloads the best one.
    pub projectors: Vec<HubFile>,
    /// Drafts, adapters and other files that are no models.
    pub others: Vec<HubOtherFile>,
    /// For the next page of variants; null on the last one.
    pub next_cursor: Option<String>,
    /// What was not honoured: a token that the hub refuses.
    pub warnings: Vec<ResultWarning>,
}

/// List the sources that have logged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListLogSourcesParams {}

/// List the models in the library: the sidecar's own, those in the config's folders, and those of other programs.
///
/// Models of other programs are used in place: their files are never copied or written to. The list is in the order of
/// names, and an answer has at most 8 MiB: a host with more than ten thousand models asks for the next page until one
/// is empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListModelsParams {
    /// Maximum number of models. Default: all that fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// `name` of the last model of the previous page; the list continues after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// List every server that was started and not stopped, including failed ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListServersParams {}

/// List sessions, the last used first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListSessionsParams {
    /// Only sessions whose title contains this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// true: only archived sessions; false (default): only others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// Default 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// `next_cursor` of the previous page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListSessionsResult {
    pub sessions: Vec<Session>,
    pub next_cursor: Option<String>,
}

/// Settings in effect; other settings of start_llama_server that were given are in `settings`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LlamaConfig {
    pub server_id: String,
    pub llama_cpp_path: Option<String>,
    pub model_path: Option<String>,
    pub port: Option<i64>,
    pub ctx_size: i64,
    pub parallel: i64,
    pub n_gpu_layers: i64,
    pub engine: Option<EngineName>,
    pub settings: Map<String, Value>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Number over all sources; never decreases.
    pub seq: i64,
    /// When the line was received, Unix seconds.
    pub at: f64,
    /// "sidecar", or "server:" and a server_id.
    pub source: String,
    pub level: Level,
    /// Control characters are escaped.
    pub message: String,
}

/// A source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogSource {
    pub source: String,
    /// Its newest log file.
    pub file: String,
    /// Lines received so far.
    pub lines: i64,
    pub file_bytes: i64,
}

/// Logs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LogsConfig {
    /// Lowest level kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Size at which a log file is rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_file_bytes: Option<i64>,
    /// Rotated files kept for each source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_files: Option<i64>,
}

/// Topic logs: new lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogsEvent {
    pub entries: Vec<LogEntry>,
    /// Lines dropped before these because the host read slowly.
    pub dropped: i64,
}

/// A setting to lower if memory is short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LowerFirst {
    /// Parameter of start_llama_server.
    pub setting: String,
    pub value: LowerFirstValue,
    /// Memory freed on all devices together by this change alone.
    pub frees_bytes: i64,
    /// Whether it fits with this change and those before it.
    pub fits_then: bool,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LowerFirstValue {
    Number(i64),
    Text(String),
}

impl From<&str> for LowerFirstValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for LowerFirstValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// The managed builds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ManagedEngines {
    /// The build that starts use.
    pub default: Option<String>,
    /// All builds: the default first, then the last good ones.
    pub engines: Vec<EngineInfo>,
}

/// Memory that a start would use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryEstimate {
    pub model: String,
    pub model_path: String,
    pub engine: EngineName,
    /// As the engine would use it: 0 is resolved to the model's own.
    pub ctx_size: i64,
    pub parallel: i64,
    /// Layers on GPUs; -1 is resolved to what fits.
    pub n_gpu_layers: i64,
    /// Layers of the model, including the output layer.
    pub total_layers: i64,
    /// `allocator`: reported by the engine. `formula`: calculated from the model's header.
    pub method: MemoryEstimateMethod,
    /// Relative error, 0.05 for 5 %: from earlier starts, else a default.
    pub error_margin: f64,
    /// Earlier starts on this machine that the estimate was corrected by.
    pub observations: i64,
    /// `Host` first.
    pub devices: Vec<DeviceMemory>,
    pub total_bytes: i64,
    /// Whether it fits on every device.
    pub fits: bool,
    /// The result in a sentence.
    pub message: String,
    /// The largest context that fits with these settings; null if none fits.
    pub largest_ctx_size: Option<i64>,
    /// The most layers that fit on the GPUs; null if there is no GPU.
    pub largest_n_gpu_layers: Option<i64>,
    /// Settings to change if it does not fit, in order.
    pub lower_first: Vec<LowerFirst>,
    /// What else may use memory, later or elsewhere.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MemoryEstimateMethod {
    #[serde(rename = "allocator")]
    Allocator,
    #[serde(rename = "formula")]
    Formula,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Memory that an engine planned or allocated on one device, according to its log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryTaken {
    /// `Host`, or the engine's name of a GPU, such as CUDA0.
    pub device: String,
    pub weights_bytes: i64,
    pub kv_cache_bytes: i64,
    pub compute_bytes: i64,
    pub projector_bytes: i64,
}

/// Main memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryUse {
    pub total_bytes: i64,
    /// Memory that programs can allocate without swapping.
    pub available_bytes: i64,
    pub used_bytes: i64,
}

/// One message of a session's tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub message_id: String,
    pub session_id: String,
    pub parent_id: Option<String>,
    pub role: MessageRole,
    pub content: String,
    /// The content parts, if there was more than text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<Map<String, Value>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// `interrupted`: the sidecar ended while the answer was being written; the stored part is here.
    pub state: MessageState,
    pub finish_reason: Option<FinishReason>,
    pub usage: Option<Usage>,
    pub timings: Option<Timings>,
    /// The model that wrote it.
    pub model: Option<String>,
    /// Of an answer: what of its request was not fully honoured, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warnings: Option<Vec<ResultWarning>>,
    pub created_at: f64,
    /// When update_message last changed its text, Unix seconds; if ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<f64>,
    /// The branches at this point: ids of all messages with this parent, oldest first.
    pub siblings: Vec<String>,
}

/// Text, or content parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MessageContent {
    Text(String),
    List(Vec<ContentPart>),
}

impl From<&str> for MessageContent {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for MessageContent {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MessageRole {
    #[serde(rename = "assistant")]
    Assistant,
    #[serde(rename = "tool")]
    Tool,
    #[serde(rename = "user")]
    User,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MessageState {
    #[serde(rename = "cancelled")]
    Cancelled,
    #[serde(rename = "complete")]
    Complete,
    #[serde(rename = "error")]
    Error,
    #[serde(rename = "interrupted")]
    Interrupted,
    #[serde(rename = "running")]
    Running,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// A model in the library, in detail. Values that a damaged header does not provide are null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelDetails {
    /// For `model` parameters.
    pub name: String,
    /// The file; the first file of a split model.
    pub path: String,
    /// Total size of all files of the model.
    pub size_bytes: i64,
    /// Number of files it is split into.
    pub files: i64,
    pub modified_at: f64,
    /// `own`: in the sidecar's models folder. `folder`: in one of the config's folders. Others: stored by the program of that name; `huggingface` is its cache.
    pub origin: ModelOrigin,
    /// The projector beside it, for images or audio.
    pub mmproj_path: Option<String>,
    /// Whether an engine can run it, by its header.
    pub valid: bool,
    /// Why it is not valid, in a sentence.
    pub problem: Option<String>,
    pub architecture: Option<String>,
    /// Such as Q4_K_M.
    pub quantization: Option<String>,
    /// Number of weights.
    pub parameters: Option<i64>,
    /// Context the model was trained for, tokens.
    pub context_length: Option<i64>,
    /// Its name in its program or its header.
    pub display_name: Option<String>,
    /// The repository it came from, such as ORG/NAME, if known.
    pub repo: Option<String>,
    /// From header, chat template and projector. null until the whole header has been read; a later listing then has them.
    pub capabilities: Option<Vec<Capability>>,
    /// LoRA files whose headers name this model, for `lora` of start_llama_server.
    pub adapters: Vec<String>,
    /// Other paths of the same content: links, and known copies.
    pub other_paths: Vec<String>,
    /// Other names for it, such as that of a copy in another program.
    pub aliases: Vec<String>,
    /// What it is, by its header; null until the whole header has been read.
    pub kind: Option<ModelKind>,
    /// Why it is not valid, as a word.
    pub problem_reason: Option<ProblemReason>,
    /// What to do about its problem, in a sentence.
    pub hint: Option<String>,
    /// Why a projector that lies near it is not used for it, in a sentence; null if none does.
    pub no_projector: Option<String>,
    pub parts: Vec<ModelPart>,
    /// Matching projectors; the first is used.
    pub projectors: Vec<String>,
    pub layers: Option<i64>,
    pub embedding_length: Option<i64>,
    pub heads: Option<i64>,
    pub kv_heads: Option<i64>,
    pub experts: Option<i64>,
    /// Number of tokens.
    pub vocabulary: Option<i64>,
    pub chat_template: Option<String>,
    pub licence: Option<String>,
}

/// Topic models: a model was added or changed. Starts with every existing model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelEvent {
    /// Events of this topic dropped before this one because the host read slowly.
    pub dropped: i64,
    pub model: ModelInfo,
}

/// A model in the library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// For `model` parameters.
    pub name: String,
    /// The file; the first file of a split model.
    pub path: String,
    /// Total size of all files of the model.
    pub size_bytes: i64,
    /// Number of files it is split into.
    pub files: i64,
    pub modified_at: f64,
    /// `own`: in the sidecar's models folder. `folder`: in one of the config's folders. Others: stored by the program of that name; `huggingface` is its cache.
    pub origin: ModelOrigin,
    /// The projector beside it, for images or audio.
    pub mmproj_path: Option<String>,
    /// Whether an engine can run it, by its header.
    pub valid: bool,
    /// Why it is not valid, in a sentence.
    pub problem: Option<String>,
    pub architecture: Option<String>,
    /// Such as Q4_K_M.
    pub quantization: Option<String>,
    /// Number of weights.
    pub parameters: Option<i64>,
    /// Context the model was trained for, tokens.
    pub context_length: Option<i64>,
    /// Its name in its program or its header.
    pub display_name: Option<String>,
    /// The repository it came from, such as ORG/NAME, if known.
    pub repo: Option<String>,
    /// From header, chat template and projector. null until the whole header has been read; a later listing then has them.
    pub capabilities: Option<Vec<Capability>>,
    /// LoRA files whose headers name this model, for `lora` of start_llama_server.
    pub adapters: Vec<String>,
    /// Other paths of the same content: links, and known copies.
    pub other_paths: Vec<String>,
    /// Other names for it, such as that of a copy in another program.
    pub aliases: Vec<String>,
    /// What it is, by its header; null until the whole header has been read.
    pub kind: Option<ModelKind>,
    /// Why it is not valid, as a word.
    pub problem_reason: Option<ProblemReason>,
    /// What to do about its problem, in a sentence.
    pub hint: Option<String>,
    /// Why a projector that lies near it is not used for it, in a sentence; null if none does.
    pub no_projector: Option<String>,
}

/// What a GGUF file is, by its header.
///
/// - chat: a language model with a chat template. completion: one without, most likely a base model.
/// - embedding, reranking: it makes vectors or scores of texts, and writes none.
/// - draft: the head of a larger model that guesses ahead for it (MTP, EAGLE, DFlash); it cannot run alone.
/// - projector: gives a model eyes or ears. adapter: LoRA. control_vector, imatrix: made for, or from, a model.
/// - vocabulary: a tokenizer without weights.
/// - merged: a language model and its projector in one file, which Ollama makes and llama.cpp does not load.
/// - diffusion: a generator of images or video or a part of one, or a language model that writes by diffusion.
/// - text_encoder: the text encoder of another model, such as T5 or CLIP. speech: for speech, such as Whisper.
/// - other: a GGUF file of none of these, without the tensors that a language model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ModelKind {
    #[serde(rename = "chat")]
    Chat,
    #[serde(rename = "completion")]
    Completion,
    #[serde(rename = "embedding")]
    Embedding,
    #[serde(rename = "reranking")]
    Reranking,
    #[serde(rename = "draft")]
    Draft,
    #[serde(rename = "projector")]
    Projector,
    #[serde(rename = "adapter")]
    Adapter,
    #[serde(rename = "control_vector")]
    ControlVector,
    #[serde(rename = "imatrix")]
    Imatrix,
    #[serde(rename = "vocabulary")]
    Vocabulary,
    #[serde(rename = "merged")]
    Merged,
    #[serde(rename = "diffusion")]
    Diffusion,
    #[serde(rename = "text_encoder")]
    TextEncoder,
    #[serde(rename = "speech")]
    Speech,
    #[serde(rename = "other")]
    Other,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ModelOrigin {
    #[serde(rename = "own")]
    Own,
    #[serde(rename = "folder")]
    Folder,
    #[serde(rename = "huggingface")]
    Huggingface,
    #[serde(rename = "lm_studio")]
    LmStudio,
    #[serde(rename = "ollama")]
    Ollama,
    #[serde(rename = "jan")]
    Jan,
    #[serde(rename = "llama_cpp")]
    LlamaCpp,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelPart {
    pub path: String,
    pub size_bytes: i64,
}

/// Topic models: a model was removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRemovedEvent {
    /// Events of this topic dropped before this one because the host read slowly.
    pub dropped: i64,
    pub name: String,
}

/// Bytes are being read or copied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelWork {
    pub done_bytes: i64,
    pub total_bytes: i64,
}

/// Where models are found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelsConfig {
    /// Folders to list besides the sidecar's own; they are read only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folders: Option<Vec<String>>,
    /// Model to start if none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Other programs whose models are listed and used in place; \[\] for none. Default: all. Their files are read only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<ForeignOrigin>>,
    /// How long a deleted model can be restored; it uses disk space until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_retention_days: Option<f64>,
}

/// What a request over the network failed at, before or in place of an answer: the proxy of this machine's settings, the
/// certificate of the server or those that this machine trusts, the address of the setting, a limit of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NetworkCause {
    #[serde(rename = "proxy")]
    Proxy,
    #[serde(rename = "certificate")]
    Certificate,
    #[serde(rename = "address")]
    Address,
    #[serde(rename = "rate_limit")]
    RateLimit,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Something that the person who uses the host should know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Stable name, such as CONFIG_BROKEN.
    pub name: String,
    /// What happened and why.
    pub message: String,
    /// What to do next, in a sentence for people.
    pub hint: String,
    /// What a host can do or offer.
    pub remedies: Vec<Remedy>,
}

/// Pause a download and keep the received data. Answered when the transfer has stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PauseDownloadParams {
    /// As in list_downloads.
    pub download_id: String,
}

impl PauseDownloadParams {
    /// What must be given; everything else is left to its default.
    pub fn new(download_id: impl Into<String>) -> Self {
        Self {
            download_id: download_id.into(),
        }
    }
}

/// Answer immediately, which shows that the connection works.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PingParams {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PingResult {
    #[serde(rename = "pong")]
    Pong,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Check the health of an engine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PingServerParams {
    /// Which server. Default "default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Any OpenAI-compatible server instead of one of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
}

/// The result of a health check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PingServerResult {
    pub ok: bool,
    pub latency_ms: Option<f64>,
    /// HTTP status, if there was a response.
    pub status: Option<i64>,
    /// Why the check failed, in a sentence.
    pub error: Option<String>,
}

/// Return the command that start_llama_server would run. Nothing is started or written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PreviewCommandParams {
    /// Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llama_cpp_path: Option<String>,
    /// Name of a managed build. `llama_cpp_path` overrides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_build: Option<String>,
    /// The GGUF file to load. Overrides `model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_path: Option<String>,
    /// Name of a model in the library. If neither is given: the config's default, else the only chat model, else the last used, else the starter model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// Address to listen on, with `port`. Default 127.0.0.1. Other addresses require the key, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Context in tokens; 0 uses the model's own. Default 4096.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx_size: Option<i64>,
    /// Messages answered concurrently; they share the context. Default 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<i64>,
    /// Layers on the GPU; -1 is all that fit, 0 none. Default -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_gpu_layers: Option<i64>,
    /// Default: the best one found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineName>,
    /// Projector GGUF of a vision or audio model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mmproj_path: Option<String>,
    /// `auto`: the one that the library found for the model, unless `mmproj_path` names another. `none`: no projector; the model takes text only, and uses less memory. Default auto.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projector: Option<ServerSettingsProjector>,
    /// CPU threads. Default: the engine's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<i64>,
    /// Logical batch of the prompt, tokens. Default: the engine's, 2048.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<i64>,
    /// Physical batch of the prompt, tokens. Default: the engine's, 512.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ubatch_size: Option<i64>,
    /// Flash attention. Default auto.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flash_attn: Option<ServerSettingsFlashAttn>,
    /// Type of the K cache. Default f16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_type_k: Option<CacheType>,
    /// Type of the V cache. Default f16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_type_v: Option<CacheType>,
    /// Fail instead of running wholly or partly on the CPU when a GPU was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_gpu: Option<bool>,
    /// Layers whose experts stay on the CPU. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_cpu_moe: Option<i64>,
    /// Name or Jinja text of a chat template. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
    /// File with a Jinja chat template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_template_file: Option<String>,
    /// LoRA adapter files to apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora: Option<Vec<String>>,
    /// Maximum reasoning tokens; -1 is unlimited, 0 none. Default -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_budget: Option<i64>,
    /// Serve embeddings only. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<bool>,
    /// llama.cpp RPC servers, host:port each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc_servers: Option<Vec<String>>,
    /// Main memory for earlier prompts, MiB: they need not be read again. -1 is no limit, 0 none. Default: the config's, else an eighth of the machine's memory beyond 4 GiB, 8192 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_ram_mib: Option<i64>,
    /// GPUs to use, by the names of probe_engine, such as CUDA0; \["none"\] for none. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<String>>,
    /// How a model is divided among GPUs: not at all, by layers, by rows. Default layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_mode: Option<ServerSettingsSplitMode>,
    /// Proportion of the model on each GPU, such as \[3, 1\]. Default: by their free memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor_split: Option<Vec<f64>>,
    /// Index of the GPU that is used alone with split_mode none, and first with row. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_gpu: Option<i64>,
    /// Read the model into memory instead of mapping its file: slower to load. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_mmap: Option<bool>,
    /// Keep the model in memory, so that it is never swapped out. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlock: Option<bool>,
    /// Optimization for machines with several memory nodes. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numa: Option<ServerSettingsNuma>,
    /// RoPE scaling, to extend the context. Default: the model's, else linear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_scaling: Option<ServerSettingsRopeScaling>,
    /// Factor by which RoPE scaling extends the context. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_scale: Option<f64>,
    /// Base frequency of RoPE. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_freq_base: Option<f64>,
    /// Frequency factor of RoPE; 1/N extends the context by N. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_freq_scale: Option<f64>,
    /// YaRN: context the model was trained with, tokens. Default 0: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_orig_ctx: Option<i64>,
    /// YaRN: extrapolation mix; 0 is full interpolation. Default -1: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_ext_factor: Option<f64>,
    /// YaRN: factor of the attention's magnitude. Default -1: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_attn_factor: Option<f64>,
    /// YaRN: high correction dimension. Default -1: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_beta_slow: Option<f64>,
    /// YaRN: low correction dimension. Default -1: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_beta_fast: Option<f64>,
    /// GGUF file of a small model that proposes tokens (speculative decoding): faster, with the same answers. It needs the same vocabulary, and memory of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft_model: Option<String>,
    /// Kind of speculative decoding. Default: draft-simple with a draft_model, else none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_type: Option<SpecType>,
    /// Most tokens proposed by the draft model at a time. Default: the engine's, 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_draft_n_max: Option<i64>,
    /// Fewest tokens proposed by the draft model at a time. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_draft_n_min: Option<i64>,
    /// Probability below which the draft model stops proposing. Default: the engine's, 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_draft_p_min: Option<f64>,
    /// Layers of the draft model on the GPU; -1 is all that fit, 0 none. Default -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_draft_n_gpu_layers: Option<i64>,
    /// Keep the whole context of layers with a sliding window: more memory, and earlier prompts can be used again. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swa_full: Option<bool>,
    /// Whether messages share one context of ctx_size; false gives each of `parallel` an equal part. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_unified: Option<bool>,
    /// The key of the engine's own API, kept over restarts; 16 to 256 letters, digits or ._~+/=-. Never logged or shown in a command. Default: a new random one for each run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// Further flags, passed unchanged. Refused if the engine does not have them, or if they would change its model, address, key or access rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_args: Option<Vec<String>>,
    /// Further environment variables of the engine process; it inherits only what drivers need. LLAMA_API_KEY and LLAMA_ARG_… are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// Which server. Default "default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// As in start_llama_server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
}

/// A command that was not run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviewCommandResult {
    pub argv: Vec<String>,
    /// The command, quoted for a POSIX shell.
    pub one_liner: String,
    /// Settings left out because this engine does not support them.
    pub ignored: Vec<String>,
}

/// Show what send_message would send and leave out, and why. Nothing is sent to the model or stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviewContextParams {
    /// As in send_message; it is not stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// As in send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<String>>,
    /// As in send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Map<String, Value>>>,
    /// As in send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<PromptParamsToolChoice>,
    /// As in send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_mode: Option<ToolMode>,
    /// As in send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Map<String, Value>>,
    /// As in send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
    /// As in send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    pub session_id: String,
    pub message: MessageContent,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_policy: Option<ContextPolicy>,
    /// As in send_message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
}

impl PreviewContextParams {
    /// What must be given; everything else is left to its default.
    pub fn new(session_id: impl Into<String>, message: impl Into<MessageContent>) -> Self {
        Self {
            system: None,
            images: None,
            tools: None,
            tool_choice: None,
            tool_mode: None,
            response_format: None,
            reasoning: None,
            preset: None,
            session_id: session_id.into(),
            message: message.into(),
            server_id: None,
            context_policy: None,
            max_tokens: None,
        }
    }
}

/// The plan for a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviewContextResult {
    pub policy: ContextPolicy,
    /// Whether the message would be sent; false means CONTEXT_TOO_LONG.
    pub fits: bool,
    pub max_context: i64,
    /// Tokens that would be sent; of the whole conversation if it does not fit.
    pub input_length: i64,
    /// Tokens reserved for the answer when messages are left out.
    pub reserved: i64,
    /// Ids of the messages that would be sent, oldest first.
    pub sent_messages: Vec<String>,
    pub dropped: Vec<DroppedMessage>,
}

/// Report the capabilities of a llama.cpp build in a folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeEngineParams {
    /// Folder of a llama.cpp build.
    pub llama_cpp_path: String,
    /// Also prove it: generate a token with a tiny model created for this. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prove: Option<bool>,
}

impl ProbeEngineParams {
    /// What must be given; everything else is left to its default.
    pub fn new(llama_cpp_path: impl Into<String>) -> Self {
        Self {
            llama_cpp_path: llama_cpp_path.into(),
            prove: None,
        }
    }
}

/// A build's version and capabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeEngineResult {
    /// The llama-server program.
    pub path: String,
    pub version: String,
    /// Kinds of device, such as CPU, CUDA, Vulkan.
    pub backends: Vec<String>,
    pub devices: Vec<EngineDevice>,
    /// Every long flag it accepts.
    pub flags: Vec<String>,
    /// Whether it can listen on a UNIX socket.
    pub unix_socket: bool,
    /// Null if not requested.
    pub proof: Option<EngineProof>,
}

/// Why a file cannot be run. `damaged`: another download helps. `incomplete`: files of a split model are missing.
/// `wrong_form`: it is sound, and another format, or renamed, or joined. `not_a_model`: it is a GGUF file of another kind.
/// `unreadable`: it could not be read this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProblemReason {
    #[serde(rename = "damaged")]
    Damaged,
    #[serde(rename = "incomplete")]
    Incomplete,
    #[serde(rename = "wrong_form")]
    WrongForm,
    #[serde(rename = "not_a_model")]
    NotAModel,
    #[serde(rename = "unreadable")]
    Unreadable,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PromptParamsToolChoice {
    Name(PromptParamsToolChoiceName),
    Object(Map<String, Value>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PromptParamsToolChoiceName {
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "none")]
    None,
    #[serde(rename = "required")]
    Required,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Recommend settings for a model on this machine in its current state, each with a reason.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RecommendSettingsParams {
    /// As in start_llama_server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// As in start_llama_server; overrides `model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_path: Option<String>,
    /// Default: the best one found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineName>,
    /// As in start_llama_server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llama_cpp_path: Option<String>,
}

/// Settings to start a model with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecommendSettingsResult {
    /// Parameters for start_llama_server.
    pub settings: Map<String, Value>,
    pub reasons: Vec<Recommendation>,
    pub fits: bool,
    /// Memory that a start with these settings would use.
    pub estimate: MemoryEstimate,
}

/// One setting and its reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recommendation {
    pub setting: String,
    pub value: RecommendationValue,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RecommendationValue {
    Number(i64),
    Text(String),
}

impl From<&str> for RecommendationValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for RecommendationValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Generate an answer again. The old answer stays as a sibling branch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegenerateMessageParams {
    /// 0 always chooses the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling; 1 disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Likeliest tokens to choose from; 0 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Minimum probability, relative to that of the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Maximum length of the answer. Default: until the model stops or the context is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// 1 disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// -1 chooses a new seed each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<SamplingParamsStop>,
    /// Makes tokens less likely the more often they were used. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Makes tokens less likely that were used. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// How many last tokens the penalties count; 0 is none. Engine's default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<i64>,
    /// Locally typical sampling. Engine's default: 1, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    /// Tokens within so many standard deviations of the likeliest. Engine's default: -1, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_n_sigma: Option<f64>,
    /// How often XTC excludes the likeliest tokens. Engine's default: 0, never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xtc_probability: Option<f64>,
    /// Probability above which XTC excludes; beyond 0.5 it has no effect. Engine's default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xtc_threshold: Option<f64>,
    /// Strength of DRY against repeated sequences. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_multiplier: Option<f64>,
    /// How DRY grows with the length of a repetition. Engine's default: 1.75.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_base: Option<f64>,
    /// Tokens that may repeat without DRY. Engine's default: 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_allowed_length: Option<i64>,
    /// How many last tokens DRY searches; 0 is none. Engine's default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_penalty_last_n: Option<i64>,
    /// Texts at which DRY begins again. Engine's default: "\n", ":", "\"", "*".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_sequence_breakers: Option<Vec<String>>,
    /// How far the temperature moves with the entropy. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynatemp_range: Option<f64>,
    /// How fast it moves with the entropy. Engine's default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynatemp_exponent: Option<f64>,
    /// Mirostat 1 or 2 in place of top_k, top_p and typical_p. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat: Option<i64>,
    /// Entropy that Mirostat aims at. Engine's default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat_tau: Option<f64>,
    /// Mirostat's learning rate. Engine's default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat_eta: Option<f64>,
    /// Added to a token's logit, -100 to 100. A key is the token's number, or else its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// A grammar in GBNF that the answer follows; not together with response_format or tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    /// Return how likely each token was, as `logprobs` of the result; not together with tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// Likeliest tokens to return at each place; more than 0 includes `logprobs`. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<i64>,
    /// Further sampling parameters in the engine's own words, passed on as they are; llama.cpp ignores those that it does not know. Names that have a parameter here, or change what is asked, are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling_extra: Option<Map<String, Value>>,
    /// Default: the session's, else "default", else the only server running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Functions the model may call, in OpenAI's format. NOT_SUPPORTED if the model's chat template has no place for them; `tool_mode` has another way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Map<String, Value>>>,
    /// Same as OpenAI's tool_choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<TurnParamsToolChoice>,
    /// "native": tools as the chat template shows them, and calls as the engine reads them. "json": tools are described in the prompt, and the answer is constrained to one call, or to text where no call is required; for any model. Default "auto": native where the template has tools; a required or named call is constrained, also where the template has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_mode: Option<ToolMode>,
    /// Same as OpenAI's response_format: a JSON schema the answer must follow. The answer is compared with it; patterns that cannot be enforced are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Map<String, Value>>,
    /// Whether a reasoning model may reason. Default: the model's own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
    /// Name in the config's `chat_presets`; parameters given here override it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Default: the session's, else the config's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_policy: Option<ContextPolicy>,
    /// Name for this request's events, unique among the host's live channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    pub session_id: String,
    /// The answer to generate again. Default: the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

impl RegenerateMessageParams {
    /// What must be given; everything else is left to its default.
    pub fn new(session_id: impl Into<String>) -> Self {
        Self {
            temperature: None,
            top_p: None,
            top_k: None,
            min_p: None,
            max_tokens: None,
            repeat_penalty: None,
            seed: None,
            stop: None,
            frequency_penalty: None,
            presence_penalty: None,
            repeat_last_n: None,
            typical_p: None,
            top_n_sigma: None,
            xtc_probability: None,
            xtc_threshold: None,
            dry_multiplier: None,
            dry_base: None,
            dry_allowed_length: None,
            dry_penalty_last_n: None,
            dry_sequence_breakers: None,
            dynatemp_range: None,
            dynatemp_exponent: None,
            mirostat: None,
            mirostat_tau: None,
            mirostat_eta: None,
            logit_bias: None,
            grammar: None,
            logprobs: None,
            top_logprobs: None,
            sampling_extra: None,
            server_id: None,
            tools: None,
            tool_choice: None,
            tool_mode: None,
            response_format: None,
            reasoning: None,
            preset: None,
            context_policy: None,
            channel: None,
            session_id: session_id.into(),
            message_id: None,
        }
    }
}

/// An action that may resolve the problem. Its sentence for people is the error's `hint`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Remedy {
    /// A method of this contract, or a RemedyWord.
    pub action: String,
    /// Known parameters of the action; a person or the host chooses the others.
    pub params: Map<String, Value>,
}

/// Actions that are not methods. `retry`: the same request again. `change_params`: the same request with other
/// values of the parameters in `names`. `open_settings`: another value of the setting `key`, such as models.default.
/// `install_extra`: the optional part `extra` of the llama-sidecar package. `restart_sidecar`: end this sidecar and start
/// one again, where `options` names command-line options to change. `open_page`: the page at `address` in a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RemedyWord {
    #[serde(rename = "retry")]
    Retry,
    #[serde(rename = "change_params")]
    ChangeParams,
    #[serde(rename = "open_settings")]
    OpenSettings,
    #[serde(rename = "install_extra")]
    InstallExtra,
    #[serde(rename = "restart_sidecar")]
    RestartSidecar,
    #[serde(rename = "open_page")]
    OpenPage,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Remove a managed build. If it was the default, the last good build becomes the default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemoveEngineParams {
    /// As in list_engines.
    pub name: String,
}

impl RemoveEngineParams {
    /// What must be given; everything else is left to its default.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// Restore the defaults.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ResetConfigParams {
    /// Dotted keys such as "chat.temperature". Default: everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
}

/// The machine and its use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    pub at: f64,
    pub cpu: CpuUse,
    pub memory: MemoryUse,
    pub disk: DiskUse,
    pub gpus: Vec<GpuUse>,
    pub gpu_status: GpuStatus,
    pub servers: Vec<ServerUse>,
}

/// Topic resources: a reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourcesEvent {
    /// Events of this topic dropped before this one because the host read slowly.
    pub dropped: i64,
    pub resources: Resources,
}

/// Stop a server and start it with the same settings.
///
/// Running answers end with SERVER_NOT_RUNNING; queued and new messages wait for the new engine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RestartServerParams {
    /// Which server. Default "default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Name for this request's events, unique among the host's live channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// Undo delete_model: the files are moved back to where they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestoreModelParams {
    /// `trash_id`, or a name: of models with this name, the last deleted.
    pub model: String,
}

impl RestoreModelParams {
    /// What must be given; everything else is left to its default.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
        }
    }
}

/// Undo delete_session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestoreSessionParams {
    pub session_id: String,
}

impl RestoreSessionParams {
    /// What must be given; everything else is left to its default.
    pub fn new(session_id: impl Into<String>) -> Self {
        Self {
            session_id: session_id.into(),
        }
    }
}

/// A warning about a request that was carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultWarning {
    pub code: WarningCode,
    /// What was not honoured, and why; a sentence for people.
    pub message: String,
    pub remedies: Vec<Remedy>,
}

/// Resume a download that was paused or failed; answered immediately.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResumeDownloadParams {
    /// As in list_downloads.
    pub download_id: String,
}

impl ResumeDownloadParams {
    /// What must be given; everything else is left to its default.
    pub fn new(download_id: impl Into<String>) -> Self {
        Self {
            download_id: download_id.into(),
        }
    }
}

/// Follow the running or last answer of a session again, after a reload, a lost connection or a restart.
///
/// The events after `after_seq` are sent again on `channel` under their old `seq`, then the new ones as they
/// occur. The response is that of the send_message that is followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResumeSessionParams {
    pub session_id: String,
    /// The last `seq` the host received. Default 0: send everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_seq: Option<i64>,
    /// Name for this request's events, unique among the host's live channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

impl ResumeSessionParams {
    /// What must be given; everything else is left to its default.
    pub fn new(session_id: impl Into<String>) -> Self {
        Self {
            session_id: session_id.into(),
            after_seq: None,
            channel: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SamplingParamsStop {
    List(Vec<String>),
    Text(String),
}

impl From<&str> for SamplingParamsStop {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for SamplingParamsStop {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// The scan's result is in the response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScanDone {
    pub models: i64,
}

/// What a channel of this kind carries, distinguished by `status`: 4 kinds of event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum ScanEvent {
    /// Bytes are being read or copied.
    Working(ModelWork),
    /// The scan's result is in the response.
    Done(ScanDone),
    /// The request failed; `error` is the response's.
    Error(ErrorEvent),
    /// The host cancelled the request; of an answer, the part that was kept is in `partial`.
    Cancelled(CancelledEvent),
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Scan all sources, as list_models does, and report what each one has and what was skipped.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScanModelsParams {
    /// Also read all headers completely, and hash whole files that may be copies of each other: copies are then listed as one model. Takes minutes for large models. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<bool>,
    /// Name for this request's events, unique among the host's live channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// The result of a scan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScanModelsResult {
    pub models: i64,
    /// Models that are not valid, for whatever reason.
    pub damaged: i64,
    /// Models whose headers have not been read completely yet.
    pub unread: i64,
    pub sources: Vec<LibrarySource>,
    /// Names of models with the same size and beginning; `verify` checks whether they are copies.
    pub possible_copies: Vec<Vec<String>>,
    /// Duration of the scan, without the reads of `verify`.
    pub took_ms: f64,
}

/// A message that matches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchHit {
    pub session_id: String,
    pub session_title: String,
    pub message_id: String,
    pub role: String,
    /// The text around the matches, which are enclosed in \u0002 and \u0003.
    pub snippet: String,
    pub created_at: f64,
}

/// Search the hub for models that have GGUF files; the most downloaded first.
///
/// The hub is Hugging Face, or the mirror that the config's `downloads.hub_endpoint` or HF_ENDPOINT names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchHubParams {
    /// Words of the name; empty for the most downloaded models.
    pub query: String,
    /// Maximum number of results. Default 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
}

impl SearchHubParams {
    /// What must be given; everything else is left to its default.
    pub fn new(query: impl Into<String>) -> Self {
        Self {
            query: query.into(),
            limit: None,
        }
    }
}

/// Search for messages that contain all the words, the newest first. The last word may be a prefix of two letters.
///
/// A search that takes too long is cancelled with INVALID_PARAMS and the path `$.query`.
///
/// Refused while the history is encrypted (`storage.encrypt`): an index would contain its words in plain text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchMessagesParams {
    pub query: String,
    /// Only in this session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Default 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// `next_cursor` of the previous page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl SearchMessagesParams {
    /// What must be given; everything else is left to its default.
    pub fn new(query: impl Into<String>) -> Self {
        Self {
            query: query.into(),
            session_id: None,
            limit: None,
            cursor: None,
        }
    }
}

/// A page of matching messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchMessagesResult {
    pub hits: Vec<SearchHit>,
    pub next_cursor: Option<String>,
}

/// Send a message to a session and get the answer, streamed if `channel` is given.
///
/// Messages to one session are answered in order of arrival. The user's message is stored before the first event
/// from the engine is sent, and the answer is stored before `done`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SendMessageParams {
    /// 0 always chooses the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling; 1 disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Likeliest tokens to choose from; 0 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Minimum probability, relative to that of the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Maximum length of the answer. Default: until the model stops or the context is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// 1 disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// -1 chooses a new seed each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<SamplingParamsStop>,
    /// Makes tokens less likely the more often they were used. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Makes tokens less likely that were used. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// How many last tokens the penalties count; 0 is none. Engine's default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<i64>,
    /// Locally typical sampling. Engine's default: 1, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    /// Tokens within so many standard deviations of the likeliest. Engine's default: -1, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_n_sigma: Option<f64>,
    /// How often XTC excludes the likeliest tokens. Engine's default: 0, never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xtc_probability: Option<f64>,
    /// Probability above which XTC excludes; beyond 0.5 it has no effect. Engine's default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xtc_threshold: Option<f64>,
    /// Strength of DRY against repeated sequences. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_multiplier: Option<f64>,
    /// How DRY grows with the length of a repetition. Engine's default: 1.75.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_base: Option<f64>,
    /// Tokens that may repeat without DRY. Engine's default: 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_allowed_length: Option<i64>,
    /// How many last tokens DRY searches; 0 is none. Engine's default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_penalty_last_n: Option<i64>,
    /// Texts at which DRY begins again. Engine's default: "\n", ":", "\"", "*".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_sequence_breakers: Option<Vec<String>>,
    /// How far the temperature moves with the entropy. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynatemp_range: Option<f64>,
    /// How fast it moves with the entropy. Engine's default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynatemp_exponent: Option<f64>,
    /// Mirostat 1 or 2 in place of top_k, top_p and typical_p. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat: Option<i64>,
    /// Entropy that Mirostat aims at. Engine's default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat_tau: Option<f64>,
    /// Mirostat's learning rate. Engine's default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat_eta: Option<f64>,
    /// Added to a token's logit, -100 to 100. A key is the token's number, or else its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// A grammar in GBNF that the answer follows; not together with response_format or tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    /// Return how likely each token was, as `logprobs` of the result; not together with tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// Likeliest tokens to return at each place; more than 0 includes `logprobs`. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<i64>,
    /// Further sampling parameters in the engine's own words, passed on as they are; llama.cpp ignores those that it does not know. Names that have a parameter here, or change what is asked, are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling_extra: Option<Map<String, Value>>,
    /// Default: the session's, else "default", else the only server running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Functions the model may call, in OpenAI's format. NOT_SUPPORTED if the model's chat template has no place for them; `tool_mode` has another way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Map<String, Value>>>,
    /// Same as OpenAI's tool_choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<TurnParamsToolChoice>,
    /// "native": tools as the chat template shows them, and calls as the engine reads them. "json": tools are described in the prompt, and the answer is constrained to one call, or to text where no call is required; for any model. Default "auto": native where the template has tools; a required or named call is constrained, also where the template has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_mode: Option<ToolMode>,
    /// Same as OpenAI's response_format: a JSON schema the answer must follow. The answer is compared with it; patterns that cannot be enforced are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Map<String, Value>>,
    /// Whether a reasoning model may reason. Default: the model's own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
    /// Name in the config's `chat_presets`; parameters given here override it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Default: the session's, else the config's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_policy: Option<ContextPolicy>,
    /// Name for this request's events, unique among the host's live channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Text or content parts, kept as they are.
    pub message: MessageContent,
    /// "tagged": a string \<|system|\>…\<|end|\>\<|user|\>…\<|end|\> is read as a system prompt and messages. Default "plain": nothing in the text is a mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_format: Option<SendMessageParamsMessageFormat>,
    /// Left out, or a UUID not in use: a new session is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// System prompt; stored as the session's from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Images for a vision model: data: URLs, bare base64, or absolute paths of image files. PNG, JPEG, WebP, GIF, BMP, TIFF and AVIF; turned upright and scaled down to 2048 pixels a side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<String>>,
    /// Results of the model's tool calls, in place of a message: leave `message` empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_results: Option<Vec<ToolResult>>,
    /// A text in which {message} is replaced by the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Chosen by the host for this message, to send it again without doubling it: the same message with the same key follows the running answer, or returns the stored one; after a failure the stored message is answered again. Known for a day, also after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

impl SendMessageParams {
    /// What must be given; everything else is left to its default.
    pub fn new(message: impl Into<MessageContent>) -> Self {
        Self {
            temperature: None,
            top_p: None,
            top_k: None,
            min_p: None,
            max_tokens: None,
            repeat_penalty: None,
            seed: None,
            stop: None,
            frequency_penalty: None,
            presence_penalty: None,
            repeat_last_n: None,
            typical_p: None,
            top_n_sigma: None,
            xtc_probability: None,
            xtc_threshold: None,
            dry_multiplier: None,
            dry_base: None,
            dry_allowed_length: None,
            dry_penalty_last_n: None,
            dry_sequence_breakers: None,
            dynatemp_range: None,
            dynatemp_exponent: None,
            mirostat: None,
            mirostat_tau: None,
            mirostat_eta: None,
            logit_bias: None,
            grammar: None,
            logprobs: None,
            top_logprobs: None,
            sampling_extra: None,
            server_id: None,
            tools: None,
            tool_choice: None,
            tool_mode: None,
            response_format: None,
            reasoning: None,
            preset: None,
            context_policy: None,
            channel: None,
            message: message.into(),
            message_format: None,
            session_id: None,
            system: None,
            images: None,
            tool_results: None,
            template: None,
            idempotency_key: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SendMessageParamsMessageFormat {
    #[serde(rename = "plain")]
    Plain,
    #[serde(rename = "tagged")]
    Tagged,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Default start settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerDefaults {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx_size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_gpu_layers: Option<i64>,
    /// CPU threads; fewer than cores if other programs need some. Default: the engine's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<i64>,
    /// Main memory of an engine for earlier prompts, MiB; -1 is no limit, 0 none. Default: an eighth of the machine's memory beyond 4 GiB, 8192 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_ram_mib: Option<i64>,
}

/// A server and how to connect to it directly, without the sidecar. A restarted engine has a new key
/// unless `api_key` was set, and a new socket or port unless a port was requested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerDetails {
    pub server_id: String,
    pub state: ServerState,
    pub engine: Option<EngineName>,
    /// The model's name.
    pub model: Option<String>,
    pub model_path: Option<String>,
    /// Process id of the engine while it runs.
    pub pid: Option<i64>,
    /// TCP port; null on a private socket.
    pub port: Option<i64>,
    /// Address of its OpenAI API; null on a private socket.
    pub base_url: Option<String>,
    pub ctx_size: Option<i64>,
    pub parallel: Option<i64>,
    pub n_gpu_layers: Option<i64>,
    /// When its process started, Unix seconds.
    pub started_at: Option<f64>,
    /// Its state in a sentence.
    pub message: String,
    pub plan: Option<StartPlan>,
    pub actual: Option<StartActual>,
    /// Why it failed (state `failed`), or why its engine crashed, until it is ready again.
    pub error: Option<WireError>,
    /// Set if it runs, but not on the GPU as requested; otherwise null.
    pub warning: Option<StartWarning>,
    /// How often its engine crashed and was restarted automatically.
    pub restarts: i64,
    /// Whether it answers messages that name no server, nor does their session. At most one does.
    pub default: bool,
    /// Send it as `Authorization: Bearer …`.
    pub api_key: Option<String>,
    /// UNIX socket of its HTTP API.
    pub socket_path: Option<String>,
}

/// Topic servers: a server changed. Starts with every existing server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerEvent {
    /// Events of this topic dropped before this one because the host read slowly.
    pub dropped: i64,
    pub server: ServerInfo,
}

/// Name and version of this sidecar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerIdentity {
    pub name: String,
    pub version: String,
}

/// A server and its state. Before it is planned, values that are not chosen yet are null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerInfo {
    pub server_id: String,
    pub state: ServerState,
    pub engine: Option<EngineName>,
    /// The model's name.
    pub model: Option<String>,
    pub model_path: Option<String>,
    /// Process id of the engine while it runs.
    pub pid: Option<i64>,
    /// TCP port; null on a private socket.
    pub port: Option<i64>,
    /// Address of its OpenAI API; null on a private socket.
    pub base_url: Option<String>,
    pub ctx_size: Option<i64>,
    pub parallel: Option<i64>,
    pub n_gpu_layers: Option<i64>,
    /// When its process started, Unix seconds.
    pub started_at: Option<f64>,
    /// Its state in a sentence.
    pub message: String,
    pub plan: Option<StartPlan>,
    pub actual: Option<StartActual>,
    /// Why it failed (state `failed`), or why its engine crashed, until it is ready again.
    pub error: Option<WireError>,
    /// Set if it runs, but not on the GPU as requested; otherwise null.
    pub warning: Option<StartWarning>,
    /// How often its engine crashed and was restarted automatically.
    pub restarts: i64,
    /// Whether it answers messages that name no server, nor does their session. At most one does.
    pub default: bool,
}

/// Topic servers: a server was stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerRemovedEvent {
    /// Events of this topic dropped before this one because the host read slowly.
    pub dropped: i64,
    pub server_id: String,
}

/// How to run a model. All settings are optional.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerSettings {
    /// Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llama_cpp_path: Option<String>,
    /// Name of a managed build. `llama_cpp_path` overrides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_build: Option<String>,
    /// The GGUF file to load. Overrides `model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_path: Option<String>,
    /// Name of a model in the library. If neither is given: the config's default, else the only chat model, else the last used, else the starter model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// Address to listen on, with `port`. Default 127.0.0.1. Other addresses require the key, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Context in tokens; 0 uses the model's own. Default 4096.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx_size: Option<i64>,
    /// Messages answered concurrently; they share the context. Default 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<i64>,
    /// Layers on the GPU; -1 is all that fit, 0 none. Default -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_gpu_layers: Option<i64>,
    /// Default: the best one found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineName>,
    /// Projector GGUF of a vision or audio model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mmproj_path: Option<String>,
    /// `auto`: the one that the library found for the model, unless `mmproj_path` names another. `none`: no projector; the model takes text only, and uses less memory. Default auto.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projector: Option<ServerSettingsProjector>,
    /// CPU threads. Default: the engine's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<i64>,
    /// Logical batch of the prompt, tokens. Default: the engine's, 2048.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<i64>,
    /// Physical batch of the prompt, tokens. Default: the engine's, 512.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ubatch_size: Option<i64>,
    /// Flash attention. Default auto.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flash_attn: Option<ServerSettingsFlashAttn>,
    /// Type of the K cache. Default f16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_type_k: Option<CacheType>,
    /// Type of the V cache. Default f16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_type_v: Option<CacheType>,
    /// Fail instead of running wholly or partly on the CPU when a GPU was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_gpu: Option<bool>,
    /// Layers whose experts stay on the CPU. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_cpu_moe: Option<i64>,
    /// Name or Jinja text of a chat template. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
    /// File with a Jinja chat template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_template_file: Option<String>,
    /// LoRA adapter files to apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora: Option<Vec<String>>,
    /// Maximum reasoning tokens; -1 is unlimited, 0 none. Default -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_budget: Option<i64>,
    /// Serve embeddings only. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<bool>,
    /// llama.cpp RPC servers, host:port each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc_servers: Option<Vec<String>>,
    /// Main memory for earlier prompts, MiB: they need not be read again. -1 is no limit, 0 none. Default: the config's, else an eighth of the machine's memory beyond 4 GiB, 8192 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_ram_mib: Option<i64>,
    /// GPUs to use, by the names of probe_engine, such as CUDA0; \["none"\] for none. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<String>>,
    /// How a model is divided among GPUs: not at all, by layers, by rows. Default layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_mode: Option<ServerSettingsSplitMode>,
    /// Proportion of the model on each GPU, such as \[3, 1\]. Default: by their free memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor_split: Option<Vec<f64>>,
    /// Index of the GPU that is used alone with split_mode none, and first with row. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_gpu: Option<i64>,
    /// Read the model into memory instead of mapping its file: slower to load. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_mmap: Option<bool>,
    /// Keep the model in memory, so that it is never swapped out. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlock: Option<bool>,
    /// Optimization for machines with several memory nodes. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numa: Option<ServerSettingsNuma>,
    /// RoPE scaling, to extend the context. Default: the model's, else linear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_scaling: Option<ServerSettingsRopeScaling>,
    /// Factor by which RoPE scaling extends the context. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_scale: Option<f64>,
    /// Base frequency of RoPE. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_freq_base: Option<f64>,
    /// Frequency factor of RoPE; 1/N extends the context by N. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_freq_scale: Option<f64>,
    /// YaRN: context the model was trained with, tokens. Default 0: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_orig_ctx: Option<i64>,
    /// YaRN: extrapolation mix; 0 is full interpolation. Default -1: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_ext_factor: Option<f64>,
    /// YaRN: factor of the attention's magnitude. Default -1: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_attn_factor: Option<f64>,
    /// YaRN: high correction dimension. Default -1: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_beta_slow: Option<f64>,
    /// YaRN: low correction dimension. Default -1: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_beta_fast: Option<f64>,
    /// GGUF file of a small model that proposes tokens (speculative decoding): faster, with the same answers. It needs the same vocabulary, and memory of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft_model: Option<String>,
    /// Kind of speculative decoding. Default: draft-simple with a draft_model, else none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_type: Option<SpecType>,
    /// Most tokens proposed by the draft model at a time. Default: the engine's, 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_draft_n_max: Option<i64>,
    /// Fewest tokens proposed by the draft model at a time. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_draft_n_min: Option<i64>,
    /// Probability below which the draft model stops proposing. Default: the engine's, 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_draft_p_min: Option<f64>,
    /// Layers of the draft model on the GPU; -1 is all that fit, 0 none. Default -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_draft_n_gpu_layers: Option<i64>,
    /// Keep the whole context of layers with a sliding window: more memory, and earlier prompts can be used again. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swa_full: Option<bool>,
    /// Whether messages share one context of ctx_size; false gives each of `parallel` an equal part. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_unified: Option<bool>,
    /// The key of the engine's own API, kept over restarts; 16 to 256 letters, digits or ._~+/=-. Never logged or shown in a command. Default: a new random one for each run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// Further flags, passed unchanged. Refused if the engine does not have them, or if they would change its model, address, key or access rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_args: Option<Vec<String>>,
    /// Further environment variables of the engine process; it inherits only what drivers need. LLAMA_API_KEY and LLAMA_ARG_… are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ServerSettingsFlashAttn {
    Name(ServerSettingsFlashAttnName),
    Flag(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ServerSettingsFlashAttnName {
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "off")]
    Off,
    #[serde(rename = "on")]
    On,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ServerSettingsNuma {
    #[serde(rename = "distribute")]
    Distribute,
    #[serde(rename = "isolate")]
    Isolate,
    #[serde(rename = "numactl")]
    Numactl,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ServerSettingsProjector {
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "none")]
    None,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ServerSettingsRopeScaling {
    #[serde(rename = "linear")]
    Linear,
    #[serde(rename = "none")]
    None,
    #[serde(rename = "yarn")]
    Yarn,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ServerSettingsSplitMode {
    #[serde(rename = "layer")]
    Layer,
    #[serde(rename = "none")]
    None,
    #[serde(rename = "row")]
    Row,
    #[serde(rename = "tensor")]
    Tensor,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// State of a server. `stopped` and `failed` are final. A server whose engine crashed goes through `stopping` and
/// `queued` (the pause before the restart) to `ready` again. A `sleeping` server has no engine and uses no memory; the next
/// message starts its engine again, and waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ServerState {
    #[serde(rename = "queued")]
    Queued,
    #[serde(rename = "planning")]
    Planning,
    #[serde(rename = "starting")]
    Starting,
    #[serde(rename = "loading")]
    Loading,
    #[serde(rename = "warming")]
    Warming,
    #[serde(rename = "ready")]
    Ready,
    #[serde(rename = "sleeping")]
    Sleeping,
    #[serde(rename = "stopping")]
    Stopping,
    #[serde(rename = "stopped")]
    Stopped,
    #[serde(rename = "failed")]
    Failed,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// What one engine uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerUse {
    pub server_id: String,
    pub pid: i64,
    /// Resident memory, shared pages such as a mapped model included.
    pub memory_bytes: i64,
    /// 100 is one core, since the previous reading.
    pub cpu_percent: f64,
    /// Over all GPUs; null if the driver does not report it.
    pub gpu_memory_bytes: Option<i64>,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    pub session_id: String,
    pub title: String,
    pub system: Option<String>,
    /// The server it was last used with.
    pub server_id: Option<String>,
    pub config: SessionConfig,
    pub archived: bool,
    pub created_at: f64,
    pub updated_at: f64,
    /// Messages in all branches.
    pub message_count: i64,
    /// Last message of the branch in use.
    pub head: Option<String>,
}

/// Sampling settings and context policy of one session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SessionConfig {
    /// 0 always chooses the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling; 1 disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Likeliest tokens to choose from; 0 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Minimum probability, relative to that of the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Maximum length of the answer. Default: until the model stops or the context is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// 1 disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// -1 chooses a new seed each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<SamplingParamsStop>,
    /// Makes tokens less likely the more often they were used. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Makes tokens less likely that were used. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// How many last tokens the penalties count; 0 is none. Engine's default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<i64>,
    /// Locally typical sampling. Engine's default: 1, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    /// Tokens within so many standard deviations of the likeliest. Engine's default: -1, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_n_sigma: Option<f64>,
    /// How often XTC excludes the likeliest tokens. Engine's default: 0, never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xtc_probability: Option<f64>,
    /// Probability above which XTC excludes; beyond 0.5 it has no effect. Engine's default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xtc_threshold: Option<f64>,
    /// Strength of DRY against repeated sequences. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_multiplier: Option<f64>,
    /// How DRY grows with the length of a repetition. Engine's default: 1.75.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_base: Option<f64>,
    /// Tokens that may repeat without DRY. Engine's default: 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_allowed_length: Option<i64>,
    /// How many last tokens DRY searches; 0 is none. Engine's default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_penalty_last_n: Option<i64>,
    /// Texts at which DRY begins again. Engine's default: "\n", ":", "\"", "*".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_sequence_breakers: Option<Vec<String>>,
    /// How far the temperature moves with the entropy. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynatemp_range: Option<f64>,
    /// How fast it moves with the entropy. Engine's default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynatemp_exponent: Option<f64>,
    /// Mirostat 1 or 2 in place of top_k, top_p and typical_p. Engine's default: 0, disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat: Option<i64>,
    /// Entropy that Mirostat aims at. Engine's default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat_tau: Option<f64>,
    /// Mirostat's learning rate. Engine's default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirostat_eta: Option<f64>,
    /// Added to a token's logit, -100 to 100. A key is the token's number, or else its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// A grammar in GBNF that the answer follows; not together with response_format or tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    /// Return how likely each token was, as `logprobs` of the result; not together with tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// Likeliest tokens to return at each place; more than 0 includes `logprobs`. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<i64>,
    /// Further sampling parameters in the engine's own words, passed on as they are; llama.cpp ignores those that it does not know. Names that have a parameter here, or change what is asked, are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling_extra: Option<Map<String, Value>>,
    /// Default: the config's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_policy: Option<ContextPolicy>,
}

/// Topic sessions: a session was deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionDeletedEvent {
    /// Events of this topic dropped before this one because the host read slowly.
    pub dropped: i64,
    pub session_id: String,
}

/// Topic sessions: a session was created, changed, restored or used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionEvent {
    /// Events of this topic dropped before this one because the host read slowly.
    pub dropped: i64,
    pub session: Session,
}

/// The JSON that export_session writes and import_session reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionExport {
    pub format: SessionExportFormat,
    pub version: i64,
    pub session_id: String,
    pub title: String,
    pub system: Option<String>,
    pub config: SessionConfig,
    pub created_at: f64,
    pub updated_at: f64,
    pub head: Option<String>,
    pub messages: Vec<ExportedMessage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SessionExportFormat {
    #[serde(rename = "llama-sidecar/session")]
    LlamaSidecarSession,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Change settings by a JSON merge patch (RFC 7396): omitted keys keep their value, `null` restores the default.
///
/// The file is replaced atomically. Running servers keep the settings they were started with.
/// A change of `storage.encrypt` rewrites the history before the response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetConfigParams {
    pub patch: Map<String, Value>,
}

impl SetConfigParams {
    /// What must be given; everything else is left to its default.
    pub fn new(patch: impl Into<Map<String, Value>>) -> Self {
        Self {
            patch: patch.into(),
        }
    }
}

/// Choose the managed build for starts that name no engine, once it is proved; or none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SetDefaultEngineParams {
    /// As in list_engines. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Stop every engine and owned process, flush, answer, and exit with code 0, within 5 s.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShutdownParams {}

/// Kinds of speculative decoding, in the names of llama.cpp's --spec-type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SpecType {
    #[serde(rename = "none")]
    None,
    #[serde(rename = "draft-simple")]
    DraftSimple,
    #[serde(rename = "draft-eagle3")]
    DraftEagle3,
    #[serde(rename = "draft-mtp")]
    DraftMtp,
    #[serde(rename = "draft-dflash")]
    DraftDflash,
    #[serde(rename = "draft-dspark")]
    DraftDspark,
    #[serde(rename = "ngram-simple")]
    NgramSimple,
    #[serde(rename = "ngram-map-k")]
    NgramMapK,
    #[serde(rename = "ngram-map-k4v")]
    NgramMapK4v,
    #[serde(rename = "ngram-mod")]
    NgramMod,
    #[serde(rename = "ngram-cache")]
    NgramCache,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// What the engine reports once it is ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartActual {
    /// Tokens that prompt and answer of one message may use together. Messages that do not fit into `shared_context` together wait for each other.
    pub context_per_message: i64,
    /// Messages it answers concurrently, as far as they fit together.
    pub slots: i64,
    /// From the start of the process until the engine was ready.
    pub load_ms: f64,
    /// Layers on the GPU, if the engine reports them.
    pub gpu_layers: Option<i64>,
    /// Layers of the model, if the engine reports them.
    pub total_layers: Option<i64>,
    /// Whether it accepts images.
    pub vision: bool,
    /// The engine's build, as it reports it.
    pub build: Option<String>,
    /// Memory allocated on each device; empty if the engine does not report it.
    pub memory: Vec<MemoryTaken>,
    /// Tokens that all messages answered concurrently share; null if each may use `context_per_message`, whatever the others use.
    pub shared_context: Option<i64>,
    /// Context that the model was trained for, in tokens, if the engine reports it.
    pub trained_context: Option<i64>,
}

/// What a channel of this kind carries, distinguished by `status`: 8 kinds of event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum StartEvent {
    /// Accepted.
    Queued,
    /// Engine and model are being chosen and checked.
    Planning,
    /// The process is being started.
    Starting(StartStarting),
    /// The model is being loaded.
    Loading(StartLoading),
    /// The model is loaded; the warm-up run is under way.
    Warming,
    /// The server is ready; the members are the response's.
    Done(ServerInfo),
    /// The request failed; `error` is the response's.
    Error(ErrorEvent),
    /// The host cancelled the request; of an answer, the part that was kept is in `partial`.
    Cancelled(CancelledEvent),
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Start an engine with a model; answered when it is ready for messages.
///
/// If no engine is named, the best one found is used: the configured llama.cpp folder, then the default managed build,
/// then PATH, then the embedded engine, then llama-cpp-python.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StartLlamaServerParams {
    /// Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llama_cpp_path: Option<String>,
    /// Name of a managed build. `llama_cpp_path` overrides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_build: Option<String>,
    /// The GGUF file to load. Overrides `model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_path: Option<String>,
    /// Name of a model in the library. If neither is given: the config's default, else the only chat model, else the last used, else the starter model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// Address to listen on, with `port`. Default 127.0.0.1. Other addresses require the key, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Context in tokens; 0 uses the model's own. Default 4096.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx_size: Option<i64>,
    /// Messages answered concurrently; they share the context. Default 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<i64>,
    /// Layers on the GPU; -1 is all that fit, 0 none. Default -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_gpu_layers: Option<i64>,
    /// Default: the best one found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineName>,
    /// Projector GGUF of a vision or audio model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mmproj_path: Option<String>,
    /// `auto`: the one that the library found for the model, unless `mmproj_path` names another. `none`: no projector; the model takes text only, and uses less memory. Default auto.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projector: Option<ServerSettingsProjector>,
    /// CPU threads. Default: the engine's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<i64>,
    /// Logical batch of the prompt, tokens. Default: the engine's, 2048.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<i64>,
    /// Physical batch of the prompt, tokens. Default: the engine's, 512.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ubatch_size: Option<i64>,
    /// Flash attention. Default auto.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flash_attn: Option<ServerSettingsFlashAttn>,
    /// Type of the K cache. Default f16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_type_k: Option<CacheType>,
    /// Type of the V cache. Default f16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_type_v: Option<CacheType>,
    /// Fail instead of running wholly or partly on the CPU when a GPU was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_gpu: Option<bool>,
    /// Layers whose experts stay on the CPU. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_cpu_moe: Option<i64>,
    /// Name or Jinja text of a chat template. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
    /// File with a Jinja chat template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_template_file: Option<String>,
    /// LoRA adapter files to apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora: Option<Vec<String>>,
    /// Maximum reasoning tokens; -1 is unlimited, 0 none. Default -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_budget: Option<i64>,
    /// Serve embeddings only. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<bool>,
    /// llama.cpp RPC servers, host:port each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc_servers: Option<Vec<String>>,
    /// Main memory for earlier prompts, MiB: they need not be read again. -1 is no limit, 0 none. Default: the config's, else an eighth of the machine's memory beyond 4 GiB, 8192 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_ram_mib: Option<i64>,
    /// GPUs to use, by the names of probe_engine, such as CUDA0; \["none"\] for none. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<String>>,
    /// How a model is divided among GPUs: not at all, by layers, by rows. Default layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_mode: Option<ServerSettingsSplitMode>,
    /// Proportion of the model on each GPU, such as \[3, 1\]. Default: by their free memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor_split: Option<Vec<f64>>,
    /// Index of the GPU that is used alone with split_mode none, and first with row. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_gpu: Option<i64>,
    /// Read the model into memory instead of mapping its file: slower to load. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_mmap: Option<bool>,
    /// Keep the model in memory, so that it is never swapped out. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlock: Option<bool>,
    /// Optimization for machines with several memory nodes. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numa: Option<ServerSettingsNuma>,
    /// RoPE scaling, to extend the context. Default: the model's, else linear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_scaling: Option<ServerSettingsRopeScaling>,
    /// Factor by which RoPE scaling extends the context. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_scale: Option<f64>,
    /// Base frequency of RoPE. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_freq_base: Option<f64>,
    /// Frequency factor of RoPE; 1/N extends the context by N. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_freq_scale: Option<f64>,
    /// YaRN: context the model was trained with, tokens. Default 0: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_orig_ctx: Option<i64>,
    /// YaRN: extrapolation mix; 0 is full interpolation. Default -1: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_ext_factor: Option<f64>,
    /// YaRN: factor of the attention's magnitude. Default -1: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_attn_factor: Option<f64>,
    /// YaRN: high correction dimension. Default -1: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_beta_slow: Option<f64>,
    /// YaRN: low correction dimension. Default -1: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yarn_beta_fast: Option<f64>,
    /// GGUF file of a small model that proposes tokens (speculative decoding): faster, with the same answers. It needs the same vocabulary, and memory of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft_model: Option<String>,
    /// Kind of speculative decoding. Default: draft-simple with a draft_model, else none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_type: Option<SpecType>,
    /// Most tokens proposed by the draft model at a time. Default: the engine's, 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_draft_n_max: Option<i64>,
    /// Fewest tokens proposed by the draft model at a time. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_draft_n_min: Option<i64>,
    /// Probability below which the draft model stops proposing. Default: the engine's, 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_draft_p_min: Option<f64>,
    /// Layers of the draft model on the GPU; -1 is all that fit, 0 none. Default -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_draft_n_gpu_layers: Option<i64>,
    /// Keep the whole context of layers with a sliding window: more memory, and earlier prompts can be used again. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swa_full: Option<bool>,
    /// Whether messages share one context of ctx_size; false gives each of `parallel` an equal part. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_unified: Option<bool>,
    /// The key of the engine's own API, kept over restarts; 16 to 256 letters, digits or ._~+/=-. Never logged or shown in a command. Default: a new random one for each run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// Further flags, passed unchanged. Refused if the engine does not have them, or if they would change its model, address, key or access rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_args: Option<Vec<String>>,
    /// Further environment variables of the engine process; it inherits only what drivers need. LLAMA_API_KEY and LLAMA_ARG_… are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// Which server. Default "default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Name in the config's `server_presets`; parameters given here override it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Name for this request's events, unique among the host's live channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// The model is being loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartLoading {
    /// Component being loaded, such as text_model or mmproj_model.
    pub stage: String,
    /// 0 to 1 over all stages; null if the engine does not report it.
    pub progress: Option<f64>,
    /// Estimated time left, from the rate so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_ms: Option<f64>,
}

/// The requested settings, with all defaults applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartPlan {
    pub ctx_size: i64,
    pub parallel: i64,
    pub n_gpu_layers: i64,
    /// The command line; never contains a secret.
    pub argv: Vec<String>,
    /// Settings left out because this engine does not support them.
    pub ignored: Vec<String>,
    /// The plan of the engine's own allocator, before anything is loaded.
    pub memory: Vec<MemoryTaken>,
}

/// The process is being started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartStarting {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i64>,
}

/// Why a server runs, but not as requested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartWarning {
    pub code: StartWarningCode,
    pub cause: GpuCause,
    /// What happened and why, in a sentence.
    pub message: String,
    /// What to do next, in a sentence for people.
    pub hint: String,
    /// What a host can do or offer.
    pub remedies: Vec<Remedy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StartWarningCode {
    #[serde(rename = "GPU_NOT_USED")]
    GpuNotUsed,
    #[serde(rename = "GPU_PARTLY_USED")]
    GpuPartlyUsed,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Stop a server in any state; answered when its process has ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StopLlamaServerParams {
    /// Which server. Default "default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StopLlamaServerResult {
    #[serde(rename = "llama-server stopped")]
    LlamaServerStopped,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// History.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StorageConfig {
    /// How long a deleted session can be restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_retention_days: Option<f64>,
    /// Encrypt the content of the history: messages, reasoning, tool calls, titles, system prompts and settings of sessions (AES-256-GCM, each value separately), with a key in the system's keyring. Requires a keyring and the packages cryptography and keyring; without them set_config refuses, and an encrypted history can be neither read nor written. This protects against a stolen disk and copies of the data folder, not against programs that run as the same user: they can read the keyring, too. Ids, times, lengths, token counts, roles and names of models and servers stay readable, and this config file, with chat.system and chat_presets, is not encrypted. search_messages is off. If the key is lost, the history is lost: a backup needs the keyring as well. A change takes effect immediately and rewrites the whole history before set_config is answered. Plain text is overwritten in history.db, but you have to remove older copies of the file, and an SSD may keep overwritten data for a while. null: keep the history as it is, so a lost config decrypts nothing; a new history is not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypt: Option<bool>,
}

/// What to send of a topic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SubscribeOptions {
    /// Time between two readings of a topic that is polled. Default: 1000 for resources, 2000 for models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<i64>,
    /// logs: only this source, as in list_log_sources. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// logs: the lowest level to send. Default: info.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_level: Option<Level>,
}

/// Receive the events of topics on a channel, starting with the current state.
///
/// The channel outlives this request: it ends with `done`, written before the response to `unsubscribe`.
/// If the host reads slowly, old events are dropped or replaced by newer ones, and counted in `dropped`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubscribeParams {
    pub topics: Vec<Topic>,
    pub channel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<SubscribeOptions>,
}

impl SubscribeParams {
    /// What must be given; everything else is left to its default.
    pub fn new(topics: impl Into<Vec<Topic>>, channel: impl Into<String>) -> Self {
        Self {
            topics: topics.into(),
            channel: channel.into(),
            options: None,
        }
    }
}

/// A live subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubscribeResult {
    pub channel: String,
    pub topics: Vec<Topic>,
}

/// Stop a server and start it with another model and otherwise the same settings. Sessions stay.
///
/// Settings of the previous model are not kept: chat template, projector, LoRA adapters, draft model, and RoPE and
/// YaRN scaling. Running answers end with
/// SERVER_NOT_RUNNING; queued and new messages wait for the new engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SwitchModelParams {
    /// Name in the library, or path of a GGUF file.
    pub model: String,
    /// Which server. Default "default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Name for this request's events, unique among the host's live channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

impl SwitchModelParams {
    /// What must be given; everything else is left to its default.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            server_id: None,
            channel: None,
        }
    }
}

/// Text of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextPart {
    pub text: String,
}

impl TextPart {
    /// What must be given; everything else is left to its default.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}

/// Durations and speeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// From the request to the first token; null if there was none.
    pub ttft_ms: Option<f64>,
    /// Prompt tokens processed per second.
    pub prompt_per_second: Option<f64>,
    /// Tokens generated per second.
    pub predicted_per_second: Option<f64>,
    /// From the request to the end.
    pub total_ms: f64,
}

/// A token of the answer, and those that were likeliest in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// Its text; a part of a character is replaced by U+FFFD.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// Its text in UTF-8, also of a part of a character.
    pub bytes: Option<Vec<i64>>,
    pub top_logprobs: Vec<LikelyToken>,
}

/// A function call that the model requests; answer it with `tool_results`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    pub id: String,
    pub r#type: ToolCallType,
    pub function: ToolFunction,
    /// true: the answer ended within this call, or its arguments are no JSON object; do not run it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ToolCallType {
    #[serde(rename = "function")]
    Function,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// The function that the model calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolFunction {
    pub name: String,
    /// JSON as the model wrote it; it may be invalid.
    pub arguments: String,
}

/// How tools reach the model, and its calls the host: in the form of its chat template; described in the prompt, with an
/// answer that is constrained to JSON; or whichever of them works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ToolMode {
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "native")]
    Native,
    #[serde(rename = "json")]
    Json,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// The result of a tool call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// `id` of the tool call.
    pub tool_call_id: String,
    /// Text or content parts, such as an image for a vision model.
    pub content: MessageContent,
}

impl ToolResult {
    /// What must be given; everything else is left to its default.
    pub fn new(tool_call_id: impl Into<String>, content: impl Into<MessageContent>) -> Self {
        Self {
            tool_call_id: tool_call_id.into(),
            content: content.into(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Topic {
    #[serde(rename = "servers")]
    Servers,
    #[serde(rename = "resources")]
    Resources,
    #[serde(rename = "logs")]
    Logs,
    #[serde(rename = "sessions")]
    Sessions,
    #[serde(rename = "models")]
    Models,
    #[serde(rename = "downloads")]
    Downloads,
    #[serde(rename = "engines")]
    Engines,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// What a channel of this kind carries, distinguished by `status`: 11 kinds of event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum TopicEvent {
    /// Topic servers: a server changed. Starts with every existing server.
    Server(ServerEvent),
    /// Topic servers: a server was stopped.
    ServerRemoved(ServerRemovedEvent),
    /// Topic resources: a reading.
    Resources(ResourcesEvent),
    /// Topic logs: new lines.
    Logs(LogsEvent),
    /// Topic sessions: a session was created, changed, restored or used.
    Session(SessionEvent),
    /// Topic sessions: a session was deleted.
    SessionDeleted(SessionDeletedEvent),
    /// Topic models: a model was added or changed. Starts with every existing model.
    Model(ModelEvent),
    /// Topic models: a model was removed.
    ModelRemoved(ModelRemovedEvent),
    /// Topic downloads: a download changed or progressed. Starts with every one in list_downloads.
    Download(DownloadStateEvent),
    /// Topic engines: the managed builds or their default changed. Starts with the existing builds.
    Engines(EnginesEvent),
    /// The subscription ended.
    Done,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// A deleted model that can be restored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrashedModel {
    pub trash_id: String,
    pub model: String,
    /// Its path before it was deleted.
    pub path: String,
    pub files: i64,
    pub size_bytes: i64,
    pub deleted_at: f64,
    /// When it is deleted permanently: `models.deleted_retention_days` later.
    pub purged_at: f64,
}

/// What a channel of this kind carries, distinguished by `status`: 9 kinds of event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum TurnEvent {
    /// Accepted; `position` messages are ahead of it.
    Queued(TurnQueued),
    /// The message waits for an engine that is being started: for the first time, after a crash, or after a sleep.
    Loading(TurnLoading),
    /// The prompt is being processed.
    Prefill(TurnPrefill),
    /// The next piece of the model's reasoning.
    Reasoning(TurnReasoning),
    /// The next piece of the answer.
    Token(TurnToken),
    /// The model requests a function call; the call is complete.
    ToolCall(TurnToolCall),
    /// The answer is complete and stored; the members are the response's.
    Done(TurnResult),
    /// The request failed; `error` is the response's.
    Error(ErrorEvent),
    /// The host cancelled the request; of an answer, the part that was kept is in `partial`.
    Cancelled(CancelledEvent),
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// The message waits for an engine that is being started: for the first time, after a crash, or after a sleep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnLoading {
    /// Component being loaded, such as text_model or mmproj_model.
    pub stage: String,
    /// 0 to 1 over all stages; null if the engine does not report it.
    pub progress: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TurnParamsToolChoice {
    Name(TurnParamsToolChoiceName),
    Object(Map<String, Value>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TurnParamsToolChoiceName {
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "none")]
    None,
    #[serde(rename = "required")]
    Required,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// The prompt is being processed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnPrefill {
    pub processed: i64,
    pub total: i64,
    pub cached: i64,
}

/// Accepted; `position` messages are ahead of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnQueued {
    pub position: i64,
    /// The session; also of one that the message creates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}

/// The next piece of the model's reasoning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnReasoning {
    pub reasoning: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnResult {
    pub session_id: String,
    /// Id of the answer.
    pub message_id: String,
    /// Id of the message it answers.
    pub user_message_id: Option<String>,
    pub content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// How likely the tokens of `content` were, if asked for. They are not stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Vec<TokenLogprob>>,
    /// `length`: `max_tokens` is reached or the context is full.
    pub finish_reason: FinishReason,
    pub usage: Usage,
    pub timings: Timings,
    pub context: ContextUse,
    /// What of the request was accepted but not fully honoured; empty if nothing.
    pub warnings: Vec<ResultWarning>,
}

/// The next piece of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnToken {
    pub chunk: String,
}

/// The model requests a function call; the call is complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnToolCall {
    pub tool_call: ToolCall,
}

/// End a subscription; its channel ends with `done` before the response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnsubscribeParams {
    pub channel: String,
}

impl UnsubscribeParams {
    /// What must be given; everything else is left to its default.
    pub fn new(channel: impl Into<String>) -> Self {
        Self {
            channel: channel.into(),
        }
    }
}

/// Whether the subscription existed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnsubscribeResult {
    pub channel: String,
    pub found: bool,
}

/// Replace the text of a message in place, as a person's correction; it is marked with `edited_at`.
///
/// Nothing is answered again, and the old text is not kept: edit_message makes a branch instead. Images stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateMessageParams {
    pub session_id: String,
    /// The message.
    pub message_id: String,
    /// The new text.
    pub content: String,
}

impl UpdateMessageParams {
    /// What must be given; everything else is left to its default.
    pub fn new(
        session_id: impl Into<String>,
        message_id: impl Into<String>,
        content: impl Into<String>,
    ) -> Self {
        Self {
            session_id: session_id.into(),
            message_id: message_id.into(),
            content: content.into(),
        }
    }
}

/// Change a session; omitted members keep their value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateSessionParams {
    pub session_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// System prompt; "" removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The server to use from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// Changed settings: those left out keep their value, and null removes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<SessionConfig>,
    /// Id of a message: continue on its branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

impl UpdateSessionParams {
    /// What must be given; everything else is left to its default.
    pub fn new(session_id: impl Into<String>) -> Self {
        Self {
            session_id: session_id.into(),
            title: None,
            system: None,
            server_id: None,
            archived: None,
            config: None,
            branch: None,
        }
    }
}

/// Token counts, as the engine reports them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    /// Prompt tokens found in the engine's cache and not processed again.
    pub cached_tokens: i64,
}

/// What was not honoured.
///
/// - HISTORY_ADAPTED: earlier messages hold what this model or its template cannot take (an image, a tool turn, a role);
///   a text was sent in its place. The stored messages are unchanged.
/// - TOOL_CALL_INCOMPLETE: the answer ended within a tool call; its arguments are cut.
/// - TOOLS_NOT_HONOURED: `tool_choice` asked for a tool call, and the model answered in prose or called another function;
///   or a call does not follow its function's parameters.
/// - FORMAT_NOT_HONOURED: the answer does not follow `response_format`, in a keyword that the engine does not enforce, or
///   since it was cut.
/// - REASONING_NOT_HONOURED: `reasoning`, or the server's `reasoning_budget` of 0, had no effect on this model.
/// - SAMPLING_NOT_HONOURED: the engine does not know a sampling parameter that was given.
/// - ANSWER_EMPTY: the model ended its answer without any text or tool call.
/// - NO_CHAT_TEMPLATE: the model has no chat template; it is likely a base model, which continues text.
/// - SPECIAL_TOKENS_IN_TEXT: a message contains the spelling of a control token of the model, which the engine may read as
///   that token.
/// - CONTEXT_SHARED: the answer ended before its context was full, since other messages answered at the same time use the
///   rest of the context that they share.
/// - TOKEN_REFUSED: the hub refuses the user's token, which may have expired; it was left out, which is enough for public
///   models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WarningCode {
    #[serde(rename = "HISTORY_ADAPTED")]
    HistoryAdapted,
    #[serde(rename = "TOOL_CALL_INCOMPLETE")]
    ToolCallIncomplete,
    #[serde(rename = "TOOLS_NOT_HONOURED")]
    ToolsNotHonoured,
    #[serde(rename = "FORMAT_NOT_HONOURED")]
    FormatNotHonoured,
    #[serde(rename = "REASONING_NOT_HONOURED")]
    ReasoningNotHonoured,
    #[serde(rename = "SAMPLING_NOT_HONOURED")]
    SamplingNotHonoured,
    #[serde(rename = "ANSWER_EMPTY")]
    AnswerEmpty,
    #[serde(rename = "NO_CHAT_TEMPLATE")]
    NoChatTemplate,
    #[serde(rename = "SPECIAL_TOKENS_IN_TEXT")]
    SpecialTokensInText,
    #[serde(rename = "CONTEXT_SHARED")]
    ContextShared,
    #[serde(rename = "TOKEN_REFUSED")]
    TokenRefused,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// An error as a host receives it: code, message, and `data` with `name`, `retryable`, `hint` and `remedies`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireError {
    pub code: i64,
    pub message: String,
    pub data: Map<String, Value>,
}
