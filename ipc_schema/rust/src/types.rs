//! Every type of the contract. Generated from sidecar/contract by build/schema/generate.py; do not edit.
//!
//! Members that this crate does not know are ignored, values that it does not know are `Newer`, so that it goes
//! on working with a later minor version of the contract.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Say that the events of a session's last answer have arrived, so that they need not be kept for resume_session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AckParams {
    pub session_id: String,
    /// The last one. Default: all of them, once the answer has ended.
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

/// Sound, as base64.
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

/// Sound in a message.
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

/// Give a download up: what has come of it is removed. What is done stays.
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

/// Stop the answer of a session; answered when the engine works on it no longer.
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
    /// Answers stopped: the running one and those waiting behind it.
    pub cancelled: i64,
    /// Whether the engine was seen idle again; null where it does not tell.
    pub engine_idle: Option<bool>,
}

/// Cancelled by the host; what was kept of an answer is in `partial`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelledEvent {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial: Option<String>,
}

/// What this sidecar serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Every method that can be called.
    pub methods: Vec<String>,
    /// Every topic that can be subscribed to.
    pub topics: Vec<String>,
    /// The longest line that is read, without its LF.
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
    #[serde(rename = "UNKNOWN")]
    Unknown,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Chat settings where neither message nor session has them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatConfig {
    /// 0 always takes the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling; 1 switches it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Likeliest tokens to choose from; 0 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Least probability, relative to the likeliest token's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Longest answer. Default: until the model ends or the context is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// 1 switches it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// -1 is a new one each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<SamplingParamsStop>,
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
    /// 0 always takes the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling; 1 switches it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Likeliest tokens to choose from; 0 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Least probability, relative to the likeliest token's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Longest answer. Default: until the model ends or the context is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// 1 switches it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// -1 is a new one each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<SamplingParamsStop>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_policy: Option<ContextPolicy>,
}

/// Forget the lines in memory and empty the files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClearLogsParams {
    /// Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Who the host is; written to the log.
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
    /// Sound in a message.
    #[serde(rename = "input_audio")]
    InputAudio(AudioPart),
}

/// What happens when a conversation outgrows the model's context. `error`: CONTEXT_TOO_LONG, nothing is sent.
/// `drop_oldest`: the oldest exchanges are left out. `keep_ends`: the first exchange stays, those after it are left
/// out. The system prompt and the new message are never dropped, and the response always says what was.
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

/// What became of the context. Nothing is ever left out without being counted here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContextUse {
    pub policy: ContextPolicy,
    /// Tokens that prompt and answer may use together.
    pub max_context: i64,
    /// Tokens of prompt and answer.
    pub used: i64,
    /// Messages of the branch that were not sent to the model.
    pub dropped_messages: i64,
    /// Whether older messages were replaced by a summary.
    pub summarised: bool,
}

/// Exact tokens of a text, or of a conversation with the model's template around it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CountTokensParams {
    /// Plain text, without a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The branch in use of this session, as it would be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// A further user message after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageContent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
}

/// Tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CountTokensResult {
    pub tokens: i64,
    pub max_context: i64,
}

/// The processors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CpuUse {
    /// 0 to 100 over all cores, since the reading before.
    pub percent: f64,
    pub logical_cores: i64,
    pub physical_cores: Option<i64>,
}

/// Make an empty session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CreateSessionParams {
    /// A UUID made by the host. Default: a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Default: from the first user message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// System prompt. Default: the config's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The server to use. Default: the one ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Settings of this session. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<SessionConfig>,
}

/// Delete a model in the sidecar's own folder. It can be brought back with restore_model until it is purged.
///
/// Files of other programs and of the config's folders are never touched: of a link in our folder, only the link goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeleteModelParams {
    /// Name, file name or path, as in list_models.
    pub model: String,
    /// At once and for ever. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permanently: Option<bool>,
    /// Only say what would happen. Default: false.
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

/// Delete a session. It can be brought back with restore_session until it is purged.
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
    /// When it will be gone for good, Unix seconds.
    pub purge_at: f64,
}

/// A file that goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeletedFile {
    pub path: String,
    pub size_bytes: i64,
    /// 0 where it is a link, or the content has another name as well.
    pub frees_bytes: i64,
    /// Whether it is a link, whose target stays.
    pub link: bool,
}

/// What goes, or would go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeletedModel {
    pub model: String,
    /// false for a dry run.
    pub deleted: bool,
    pub files: Vec<DeletedFile>,
    /// Room on the disk that this makes: at once if permanent, else purged.
    pub frees_bytes: i64,
    pub kept: Vec<KeptFile>,
    /// Where the same content stays.
    pub other_paths: Vec<String>,
    /// Ids of running servers that have it loaded.
    pub used_by_servers: Vec<String>,
    /// For restore_model; null if permanent or a dry run.
    pub trash_id: Option<String>,
    /// Until when it can be brought back.
    pub purged_at: Option<f64>,
}

/// One memory: the machine's own (`Host`) or a GPU's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceMemory {
    /// `Host`, or the engine's name of a GPU, such as CUDA0.
    pub device: String,
    /// The model. On `Host` with what the engine keeps a second time, rearranged for the CPU.
    pub weights_bytes: i64,
    /// What it remembers of texts: KV cache and recurrent state.
    pub kv_cache_bytes: i64,
    /// Working memory of a step.
    pub compute_bytes: i64,
    /// The projector for images; on `Host` wherever it really goes.
    pub projector_bytes: i64,
    /// The engine itself: its code, vocabulary and tables.
    pub program_bytes: i64,
    pub total_bytes: i64,
    /// What can be had now, under the limits that hold for us; null where not known.
    pub free_bytes: Option<i64>,
    /// Whether the total fits with its margin of error and a reserve.
    pub fits: bool,
    /// What is missing for that; 0 where it fits.
    pub short_by_bytes: i64,
}

/// The contract as an OpenRPC document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DiscoverParams {}

/// The disk of the data folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskUse {
    pub path: String,
    pub total_bytes: i64,
    pub free_bytes: i64,
}

/// A download, at rest or under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Download {
    pub download_id: String,
    pub state: DownloadState,
    /// On the hub.
    pub repo: Option<String>,
    /// The commit, once it is known.
    pub revision: Option<String>,
    /// Of a file that is on no hub, without what follows a question mark.
    pub url: Option<String>,
    /// Where the files will be.
    pub folder: String,
    /// Empty until the hub has been asked.
    pub files: Vec<DownloadFile>,
    /// What is here already, kept over restarts.
    pub received_bytes: i64,
    pub total_bytes: Option<i64>,
    /// Smoothed over some seconds; null at rest.
    pub bytes_per_second: Option<f64>,
    pub eta_seconds: Option<f64>,
    /// Why nothing comes at the moment, in words, while it keeps trying.
    pub waiting: Option<String>,
    /// How much of it has been read again for its hash.
    pub verified_bytes: i64,
    /// Paused by a restart, and going on by itself once a host has introduced itself.
    pub goes_on: bool,
    /// Why it has failed; resume_download tries again.
    pub error: Option<WireError>,
    /// The model's file, or the first of them; once it is done.
    pub model_path: Option<String>,
    pub created_at: f64,
    pub finished_at: Option<f64>,
}

/// The hub is asked what there is, and the disk whether there is room for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownloadChecking {
    pub download_id: String,
}

/// What a channel of this kind carries, distinguished by `status`: 8 kinds of event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum DownloadEvent {
    /// It waits for others to end.
    Queued(DownloadQueued),
    /// The hub is asked what there is, and the disk whether there is room for it.
    Checking(DownloadChecking),
    /// How far it is.
    Downloading(DownloadProgress),
    /// All is here, and is read again for its hash as far as that has not been done on the way.
    Verifying(DownloadVerifying),
    /// It rests until resume_download, and the channel stays open.
    Paused(DownloadPaused),
    /// In its place; the members are the response's.
    Done(Download),
    /// It failed; `error` is the response's.
    Error(ErrorEvent),
    /// Cancelled by the host; what was kept of an answer is in `partial`.
    Cancelled(CancelledEvent),
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// A file of a download.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownloadFile {
    /// In its folder.
    pub name: String,
    /// Null where the server does not tell.
    pub size_bytes: Option<i64>,
    pub received_bytes: i64,
    /// What the hub says it must be, or what it turned out to be; in hexadecimal.
    pub sha256: Option<String>,
}

/// Fetch a model into the library; answered when it is whole, checked and in its place.
///
/// Give `repo`, or `url`. A split model and its projector are one download. What has come survives everything: a
/// download goes on where it was after a lost connection, a restart of the sidecar or the end of its host. Its files
/// are nobody's model until the last of them is there and right.
///
/// Asked for again, a download that is there already is followed, and one that has failed or was paused goes on.
/// Cancelling the request pauses the download; cancel_download gives it up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DownloadModelParams {
    /// `owner/name`, also with a quantisation (`owner/name:Q4_K_M`), or the address of its page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// The address of a repository's page, of a file in it, or https of any GGUF file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A file of the repository, or a quantisation such as Q5_K_M. Default: Q4_K_M, else the nearest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Branch, tag or commit of the repository. Default: main, as it is at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Absolute path of a folder. Default: a folder of its own in the sidecar's models folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_dir: Option<String>,
    /// Where to send its progress, four times a second at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// It rests until resume_download, and the channel stays open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownloadPaused {
    pub download_id: String,
    pub received_bytes: i64,
    pub total_bytes: Option<i64>,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownloadProgress {
    pub download_id: String,
    pub received_bytes: i64,
    pub total_bytes: Option<i64>,
    pub bytes_per_second: Option<f64>,
    pub eta_seconds: Option<f64>,
    pub waiting: Option<String>,
}

/// It waits for others to end.
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

/// Topic downloads: a download is in a new state or has come further. Begins with every one in list_downloads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownloadStateEvent {
    /// How many events of this topic were left out before this one because the host read slowly.
    pub dropped: i64,
    pub download: Download,
}

/// All is here, and is read again for its hash as far as that has not been done on the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownloadVerifying {
    pub download_id: String,
    pub verified_bytes: i64,
    pub total_bytes: Option<i64>,
}

/// How models are fetched. A change counts at once, for downloads under way, too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DownloadsConfig {
    /// Of all downloads together. Default: as fast as it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes_per_second: Option<i64>,
    /// Downloads under way; the others wait in their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_once: Option<i64>,
    /// Parts of a file that are fetched side by side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<i64>,
    /// Whether downloads that a restart has interrupted go on by themselves, once a host has called initialize.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_at_start: Option<bool>,
    /// How long a download that gets nothing keeps trying before it has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_seconds: Option<f64>,
    /// A mirror of Hugging Face. Default: HF_ENDPOINT, else <https://huggingface.co>.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub_endpoint: Option<String>,
    /// Also fetch from this machine and the local network, and from there without TLS.
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
    /// 0 always takes the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling; 1 switches it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Likeliest tokens to choose from; 0 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Least probability, relative to the likeliest token's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Longest answer. Default: until the model ends or the context is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// 1 switches it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// -1 is a new one each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<SamplingParamsStop>,
    /// Default: the session's, else "default", else the only one running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Functions the model may call, in OpenAI's form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Map<String, Value>>>,
    /// As OpenAI's tool_choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<TurnParamsToolChoice>,
    /// As OpenAI's response_format: a JSON schema the answer must follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Map<String, Value>>,
    /// Whether a model that can think may. Default: the model's own way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
    /// Name in the config's `chat_presets`; parameters given here win over it.
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
            server_id: None,
            tools: None,
            tool_choice: None,
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

/// Delete for ever what restore_model could bring back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EmptyTrashParams {
    /// Only this one: `trash_id` or name. Default: everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// What is gone.
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
}

/// An engine that can be used, or why it can not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineInfo {
    pub engine: EngineName,
    pub available: bool,
    /// The program or module that would run.
    pub path: Option<String>,
    pub version: Option<String>,
    /// Where it was found: the config's llama_cpp_path, a build of install_engine, PATH, or a Python package.
    pub origin: EngineOrigin,
    /// In words: found, or what is missing and how to get it.
    pub message: String,
    /// Of a managed build: for engine_build, set_default_engine and remove_engine.
    pub name: Option<String>,
    /// Whether it is the managed build that a start takes.
    pub default: bool,
    /// Of a managed build, Unix seconds.
    pub installed_at: Option<f64>,
    /// Of a managed build: the last time that it was proved.
    pub proof: Option<EngineProof>,
    /// Why a managed build can not be used, or was given up for another one.
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

/// What a build said of itself when it generated a token, with a tiny model that the sidecar makes for that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineProof {
    /// Unix seconds.
    pub proved_at: f64,
    pub version: String,
    /// Kinds of device that it can use, such as CPU, CUDA, Vulkan.
    pub backends: Vec<String>,
    pub devices: Vec<EngineDevice>,
    /// Layers that it has put on a GPU, where it says so.
    pub gpu_layers: Option<i64>,
    /// Layers of the tiny model, where it says so.
    pub total_layers: Option<i64>,
    /// From the start of its process until it was ready.
    pub load_ms: f64,
    /// From the question to the end of the answer of one token.
    pub token_ms: f64,
}

/// Which engine to use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EnginesConfig {
    /// Folder of a llama.cpp build to prefer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llama_cpp_path: Option<String>,
    /// Engine to use where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred: Option<EngineName>,
    /// Python program that has llama-cpp-python, where the sidecar's own does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// Longest start of an engine without any sign of progress. One that only writes to its log is given up after five times as long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_timeout_seconds: Option<f64>,
    /// How long a ready engine may be silent when it is asked before it is ended and started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_timeout_seconds: Option<f64>,
    /// How often an engine that crashes is started again by itself within three minutes of being ready, before its server has failed; 0 for never. There are five starts in that time at most, the first one included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_restarts: Option<i64>,
    /// How long nobody may have asked a server before its engine is ended and its memory is free; the next message starts it again. Servers on a port of their own are left alone. null: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_unload_minutes: Option<f64>,
    /// How many servers may have their model loaded; a start beyond that puts the one to sleep that has not been asked for longest, and waits where all are answering. null: as many as there is memory for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_loaded: Option<i64>,
    /// Put servers that nobody is asking to sleep where a start would not fit beside them, those not asked for longest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub make_room: Option<bool>,
    /// How long an engine may take to end before it is killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_grace_seconds: Option<f64>,
}

/// Topic engines: there are other managed builds, or another one is the default. Begins with those there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnginesEvent {
    /// How many events of this topic were left out before this one because the host read slowly.
    pub dropped: i64,
    pub managed: ManagedEngines,
}

/// It failed; `error` is the response's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorEvent {
    pub error: WireError,
}

/// What start_llama_server would take of this machine's memory with these settings. Nothing is loaded.
///
/// The engine's own allocator is asked where the engine has one (llama-server and the embedded engine, about half a
/// second, remembered); otherwise a formula over the model's header tells.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EstimateMemoryParams {
    /// Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llama_cpp_path: Option<String>,
    /// Name of a build that install_engine has brought. `llama_cpp_path` wins over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_build: Option<String>,
    /// The GGUF file to load. Wins over `model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_path: Option<String>,
    /// Name of a model in the library. With neither: the config's default, else the only one, else the last used, else the starter model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// Address to listen on, with `port`. Default 127.0.0.1. Others need the key all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Context in tokens; 0 takes the model's own. Default 4096.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx_size: Option<i64>,
    /// Messages answered at the same time; they share the context. Default 4.
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
    /// Fail instead of running on the CPU, in whole or in part, where a GPU was wanted.
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
    /// Tokens a model may think; -1 without a limit, 0 none. Default -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_budget: Option<i64>,
    /// Serve embeddings only. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<bool>,
    /// llama.cpp RPC servers, host:port each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc_servers: Option<Vec<String>>,
    /// Further flags, handed over as they are; refused where the engine has none such, and where they would change its model, its address, its key or who else may ask it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_args: Option<Vec<String>>,
    /// Further environment variables of the engine process; of the sidecar's own it gets only what drivers need. LLAMA_API_KEY and LLAMA_ARG_… are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// As in start_llama_server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// By the formula alone: milliseconds, and no engine is run. For marks in long lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quick: Option<bool>,
}

/// A session as text to keep: everything as JSON, or the branch in use as Markdown.
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

/// The text and how to name the file.
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

/// Other programs whose models are found where they lie.
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

/// The whole config, defaults filled in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GetConfigParams {}

/// The JSON Schema of the config, with descriptions and defaults.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GetConfigSchemaParams {}

/// The settings a server runs with; those it would start with where there is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GetLlamaConfigParams {
    /// Which server. Default "default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
}

/// The latest lines that are still held in memory, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GetLogsParams {
    /// Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Only lines with a greater `seq`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// At most so many, the newest. Default 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// Default debug: everything that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_level: Option<Level>,
}

/// Lines, and where to go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetLogsResult {
    pub entries: Vec<LogEntry>,
    /// Give it as `since` next time.
    pub last_seq: i64,
    /// Whether every line after `since` is still in memory; the files have the others.
    pub complete: bool,
}

/// The messages of a branch, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetMessagesParams {
    pub session_id: String,
    /// Id of the branch's last message, or of any on it. Default: the branch in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// At most so many, the newest of them. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// Only messages above this one, to page upwards.
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
    /// Whether there are older ones on this branch.
    pub has_more: bool,
}

/// A model with what its header says, read to its end.
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

/// A reading of the machine, now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GetResourcesParams {}

/// A server, with how to reach it directly.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GetServerParams {
    /// Which server. Default "default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
}

/// One session.
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

/// Why a model is not on the GPU: decided from the engine's own log, its build and what the machine has.
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

/// Whether GPUs can be read at all. A driver that fails or hangs is told here; it is never an error.
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

/// A GPU. What its driver does not tell is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuUse {
    pub index: i64,
    pub name: String,
    pub uuid: String,
    /// Its own memory; null where it shares the machine's.
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
    /// In the repository; what `file` of download_model takes.
    pub path: String,
    pub size_bytes: Option<i64>,
    /// Of the whole file, in hexadecimal.
    pub sha256: Option<String>,
}

/// A repository on the hub.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HubModel {
    /// What `repo` of list_hub_files and download_model takes.
    pub repo: String,
    /// In the last month.
    pub downloads: Option<i64>,
    pub likes: Option<i64>,
    /// Whether its owner has to let you in, or a licence has to be accepted.
    pub gated: bool,
    pub updated_at: Option<f64>,
    pub tags: Vec<String>,
}

/// One quantisation of a model, whole: all files of a split one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HubVariant {
    /// File name of the first file, without its ending.
    pub name: String,
    /// Such as Q4_K_M, by the file's name.
    pub quantization: Option<String>,
    /// In their order.
    pub files: Vec<HubFile>,
    /// All files together.
    pub size_bytes: Option<i64>,
    /// By its size alone, against what is free now: `gpu` into the memory of the GPUs, `memory` into the machine's, `no` into neither. Null where the size is not known.
    pub fits: Option<Fit>,
    /// What download_model takes where no file and no quantisation is named.
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

/// Where an image is: a data: URL. Addresses on the network are refused: the sidecar fetches nothing for a chat.
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

/// It is in the library; the response has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportDone {
    pub model: String,
}

/// What a channel of this kind carries, distinguished by `status`: 4 kinds of event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum ImportEvent {
    /// Bytes are read or copied.
    Working(ModelWork),
    /// It is in the library; the response has it.
    Done(ImportDone),
    /// It failed; `error` is the response's.
    Error(ErrorEvent),
    /// Cancelled by the host; what was kept of an answer is in `partial`.
    Cancelled(CancelledEvent),
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Bring a GGUF file into the sidecar's own models folder, with the other parts of a split model and its projector.
///
/// Nothing there is ever overwritten. A model of another program can be linked or copied, never moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportModelParams {
    /// Absolute path of the file.
    pub path: String,
    /// `link` (default): a further name of the same file, which takes no room; a link to it where file systems differ, which ends when the file does. `copy`: a file of its own. `move`: the file itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<ImportModelParamsMode>,
    /// What to call it. Default: as its file is called, or as its program calls it.
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

/// Bring in what export_session wrote as JSON. It gets a new id where the old one is taken.
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

/// Introduce the host and learn what this sidecar is. Optional: a simple host may go straight to work.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InitializeParams {
    /// Name and version of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientInfo>,
    /// The contract the host was written for, like "1" or "1.1". Another major is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract_version: Option<InitializeParamsContractVersion>,
    /// Process id of the host: the sidecar stops when this process ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_pid: Option<i64>,
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
    /// Things set right at start, such as a broken config file put aside.
    pub notices: Vec<Notice>,
}

/// What a GGUF file says of itself. Only its header is read.
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
    /// Every key and value; long arrays as {"array": type, "length": n}, texts beyond 2 MiB in all as {"text_bytes": n}.
    pub metadata: Map<String, Value>,
}

/// How far the archive is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstallDownloading {
    pub received_bytes: i64,
    pub total_bytes: Option<i64>,
    pub bytes_per_second: Option<f64>,
    pub eta_seconds: Option<f64>,
    /// Why nothing comes at the moment, while it keeps trying.
    pub waiting: Option<String>,
}

/// Install a llama.cpp build from a release archive (.zip, .tar.gz or .tar.xz); answered when it has proved itself.
///
/// Give `url`, or `path`. The archive is checked and unpacked beside the other builds, and has to generate one token
/// with a tiny model that the sidecar makes for that; only then it is there. A build that can not is not kept, and the
/// default stays. Cancelling leaves nothing but what has come of a download, with which the same request goes on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InstallEngineParams {
    /// https address of the archive. `sha256` has to be given with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Absolute path of the archive on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What the archive must be, as GitHub shows it beside each file of a release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What to call the build. Default: as the archive is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether starts take it where no engine is named. Default true.
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
    /// It waits for another installation to end.
    Queued,
    /// How far the archive is.
    Downloading(InstallDownloading),
    /// All of the archive is here, and is read for its hash.
    Verifying(InstallVerifying),
    /// The archive is being unpacked.
    Unpacking(InstallUnpacking),
    /// The build is to generate a token.
    Proving,
    /// It is there; the members are the response's.
    Done(EngineInfo),
    /// It failed; `error` is the response's.
    Error(ErrorEvent),
    /// Cancelled by the host; what was kept of an answer is in `partial`.
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

/// All of the archive is here, and is read for its hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstallVerifying {
    pub done_bytes: i64,
    pub total_bytes: i64,
}

/// Whether the server takes messages: it is ready, or sleeps until the next one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct IsLlamaRunningParams {
    /// Which server. Default "default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
}

/// A file that stays although it goes with the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptFile {
    pub path: String,
    /// Other models that need it.
    pub used_by: Vec<String>,
}

/// How grave a line is, least first.
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

/// A place where models are looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LibrarySource {
    pub origin: ModelOrigin,
    pub path: String,
    /// Whether there is such a place.
    pub found: bool,
    /// GGUF files there, each once.
    pub files: i64,
    /// Models listed as being there; copies count where they are listed.
    pub models: i64,
    /// What was left out there, and why; 20 at most.
    pub problems: Vec<String>,
}

/// The deleted models that can be brought back, the last deleted first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListDeletedModelsParams {}

/// Downloads that are not done, and those that ended since the sidecar started; the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListDownloadsParams {}

/// The engines of this machine, best first; each build that install_engine has brought is one of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListEnginesParams {}

/// The models in a repository of the hub: each quantisation with its size, and whether it fits this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListHubFilesParams {
    /// `owner/name`, or the address of its page; a quantisation after a colon.
    pub repo: String,
    /// Branch, tag or commit. Default: main.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

impl ListHubFilesParams {
    /// What must be given; everything else is left to its default.
    pub fn new(repo: impl Into<String>) -> Self {
        Self {
            repo: repo.into(),
            revision: None,
        }
    }
}

/// What a repository has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListHubFilesResult {
    /// As the hub writes it.
    pub repo: String,
    /// The commit; give it to download_model to get just this.
    pub revision: String,
    pub gated: bool,
    pub licence: Option<String>,
    /// Smallest first.
    pub variants: Vec<HubVariant>,
    /// For images; download_model fetches the best along.
    pub projectors: Vec<HubFile>,
}

/// Who has logged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListLogSourcesParams {}

/// The models in the library: the sidecar's own, those in the config's folders, and what other programs keep.
///
/// Those of other programs are used where they lie: nothing is copied, and nothing of theirs is ever written to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListModelsParams {}

/// Every server that was started and not stopped, failed ones too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListServersParams {}

/// Sessions, the last used first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListSessionsParams {
    /// Only those whose title holds this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Only archived ones, or only others. Default: others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// Default 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListSessionsResult {
    pub sessions: Vec<Session>,
    pub next_cursor: Option<String>,
}

/// Settings in effect; the further settings of start_llama_server are in `settings` where they were given.
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
    /// Counts over all sources, never goes back.
    pub seq: i64,
    /// When it was taken in, Unix seconds.
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
    /// Lines taken in so far.
    pub lines: i64,
    pub file_bytes: i64,
}

/// Logs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LogsConfig {
    /// Lowest level kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Size at which a log file is turned over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_file_bytes: Option<i64>,
    /// Older files kept of each source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_files: Option<i64>,
}

/// Topic logs: new lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogsEvent {
    pub entries: Vec<LogEntry>,
    /// Lines left out before these: they came faster than they are read.
    pub dropped: i64,
}

/// A setting to change where memory is short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LowerFirst {
    /// Parameter of start_llama_server.
    pub setting: String,
    pub value: LowerFirstValue,
    /// Of all devices together, with this change alone.
    pub frees_bytes: i64,
    /// With this change and those before it.
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
    /// The one that a start takes.
    pub default: Option<String>,
    /// All of them, the default first, then the last good ones.
    pub engines: Vec<EngineInfo>,
}

/// What a start would take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryEstimate {
    pub model: String,
    pub model_path: String,
    pub engine: EngineName,
    /// As the engine would have it: 0 is resolved to the model's own.
    pub ctx_size: i64,
    pub parallel: i64,
    /// Layers on GPUs; -1 is resolved to what fits.
    pub n_gpu_layers: i64,
    /// Layers of the model, the output layer included.
    pub total_layers: i64,
    /// `allocator`: the engine said it of itself. `formula`: calculated from the model's header.
    pub method: MemoryEstimateMethod,
    /// How far off it may be, 0.05 for 5 %: what earlier starts have shown, else a default.
    pub error_margin: f64,
    /// Earlier starts on this machine that it was corrected by.
    pub observations: i64,
    /// `Host` first.
    pub devices: Vec<DeviceMemory>,
    pub total_bytes: i64,
    /// Whether it fits on every device.
    pub fits: bool,
    /// The same in a sentence.
    pub message: String,
    /// The largest context that fits with these settings; null where none does.
    pub largest_ctx_size: Option<i64>,
    /// The most layers that fit on the GPUs; null where there is no GPU.
    pub largest_n_gpu_layers: Option<i64>,
    /// What to change where it does not fit, in order.
    pub lower_first: Vec<LowerFirst>,
    /// What else may take memory, later or elsewhere.
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

/// What an engine has planned for or taken of one device, by its own log.
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
    /// What programs can still get without swapping.
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
    /// The content parts, where there was more than text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<Map<String, Value>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// `interrupted`: the sidecar ended while it was being written; what was kept is here.
    pub state: MessageState,
    pub finish_reason: Option<String>,
    pub usage: Option<Usage>,
    pub timings: Option<Timings>,
    /// The model that wrote it.
    pub model: Option<String>,
    pub created_at: f64,
    /// The branches at this point: ids of all messages with this parent, oldest first.
    pub siblings: Vec<String>,
}

/// What is said: text, or content parts.
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

/// A model in the library, in detail. What a damaged one does not say is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelDetails {
    /// What `model` parameters take.
    pub name: String,
    /// The file; the first of a split model.
    pub path: String,
    /// All files of the model together.
    pub size_bytes: i64,
    /// How many files it is split into.
    pub files: i64,
    pub modified_at: f64,
    /// `own`: in the sidecar's models folder. `folder`: in one of the config's. The others: kept by the program of that name, `huggingface` by its cache.
    pub origin: ModelOrigin,
    /// A projector beside it, for images.
    pub mmproj_path: Option<String>,
    /// Whether its header could be read.
    pub valid: bool,
    /// Why not, in words.
    pub problem: Option<String>,
    pub architecture: Option<String>,
    /// Such as Q4_K_M.
    pub quantization: Option<String>,
    /// Number of weights.
    pub parameters: Option<i64>,
    /// Context the model was trained for, tokens.
    pub context_length: Option<i64>,
    /// What its program or its header calls it.
    pub display_name: Option<String>,
    /// Where it came from, such as ORG/NAME, where that is known.
    pub repo: Option<String>,
    /// As header, chat template and projector say. null until the header has been read to its end, which the next listing may have done.
    pub capabilities: Option<Vec<Capability>>,
    /// LoRA files made for it, as they say themselves; for `lora` of start_llama_server.
    pub adapters: Vec<String>,
    /// Where else the same content lies: links to it, and copies known to be some.
    pub other_paths: Vec<String>,
    /// Other names that find it, such as those of a copy in another program.
    pub aliases: Vec<String>,
    pub parts: Vec<ModelPart>,
    /// All that fit, the one that is used first.
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

/// Topic models: a model has come, or is another one than before. Begins with every model there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelEvent {
    /// How many events of this topic were left out before this one because the host read slowly.
    pub dropped: i64,
    pub model: ModelInfo,
}

/// A model in the library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// What `model` parameters take.
    pub name: String,
    /// The file; the first of a split model.
    pub path: String,
    /// All files of the model together.
    pub size_bytes: i64,
    /// How many files it is split into.
    pub files: i64,
    pub modified_at: f64,
    /// `own`: in the sidecar's models folder. `folder`: in one of the config's. The others: kept by the program of that name, `huggingface` by its cache.
    pub origin: ModelOrigin,
    /// A projector beside it, for images.
    pub mmproj_path: Option<String>,
    /// Whether its header could be read.
    pub valid: bool,
    /// Why not, in words.
    pub problem: Option<String>,
    pub architecture: Option<String>,
    /// Such as Q4_K_M.
    pub quantization: Option<String>,
    /// Number of weights.
    pub parameters: Option<i64>,
    /// Context the model was trained for, tokens.
    pub context_length: Option<i64>,
    /// What its program or its header calls it.
    pub display_name: Option<String>,
    /// Where it came from, such as ORG/NAME, where that is known.
    pub repo: Option<String>,
    /// As header, chat template and projector say. null until the header has been read to its end, which the next listing may have done.
    pub capabilities: Option<Vec<Capability>>,
    /// LoRA files made for it, as they say themselves; for `lora` of start_llama_server.
    pub adapters: Vec<String>,
    /// Where else the same content lies: links to it, and copies known to be some.
    pub other_paths: Vec<String>,
    /// Other names that find it, such as those of a copy in another program.
    pub aliases: Vec<String>,
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

/// Topic models: there is no model of this name any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRemovedEvent {
    /// How many events of this topic were left out before this one because the host read slowly.
    pub dropped: i64,
    pub name: String,
}

/// Bytes are read or copied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelWork {
    pub done_bytes: i64,
    pub total_bytes: i64,
}

/// Where models are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelsConfig {
    /// Folders to list beside the sidecar's own; never written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folders: Option<Vec<String>>,
    /// Model to start where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Other programs whose models are listed, where they lie; \[\] for none. Default: all. They are never written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<ForeignOrigin>>,
    /// How long a deleted model can be brought back; its room is taken till then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_retention_days: Option<f64>,
}

/// Something that the person in front of the host should know.
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

/// Let a download rest; what has come is kept. Answered when nothing is fetched any more.
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

/// Answer immediately: the connection lives.
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

/// Ask an engine whether it is well.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PingServerParams {
    /// Which server. Default "default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Any OpenAI-compatible server instead of one of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
}

/// How the engine answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PingServerResult {
    pub ok: bool,
    pub latency_ms: Option<f64>,
    /// HTTP status, where there was an answer.
    pub status: Option<i64>,
    /// Why it is not well, in plain words.
    pub error: Option<String>,
}

/// The command that start_llama_server would run. Nothing is started, nothing is written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PreviewCommandParams {
    /// Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llama_cpp_path: Option<String>,
    /// Name of a build that install_engine has brought. `llama_cpp_path` wins over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_build: Option<String>,
    /// The GGUF file to load. Wins over `model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_path: Option<String>,
    /// Name of a model in the library. With neither: the config's default, else the only one, else the last used, else the starter model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// Address to listen on, with `port`. Default 127.0.0.1. Others need the key all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Context in tokens; 0 takes the model's own. Default 4096.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx_size: Option<i64>,
    /// Messages answered at the same time; they share the context. Default 4.
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
    /// Fail instead of running on the CPU, in whole or in part, where a GPU was wanted.
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
    /// Tokens a model may think; -1 without a limit, 0 none. Default -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_budget: Option<i64>,
    /// Serve embeddings only. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<bool>,
    /// llama.cpp RPC servers, host:port each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc_servers: Option<Vec<String>>,
    /// Further flags, handed over as they are; refused where the engine has none such, and where they would change its model, its address, its key or who else may ask it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_args: Option<Vec<String>>,
    /// Further environment variables of the engine process; of the sidecar's own it gets only what drivers need. LLAMA_API_KEY and LLAMA_ARG_… are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// Which server. Default "default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// As in start_llama_server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
}

/// A command, not run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviewCommandResult {
    pub argv: Vec<String>,
    /// The same, quoted for a POSIX shell.
    pub one_liner: String,
    /// Settings that this engine does not know, left out.
    pub ignored: Vec<String>,
}

/// What send_message would send, leave out, and why. Nothing is sent to the model or kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviewContextParams {
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
    /// Whether it would be sent; false is CONTEXT_TOO_LONG.
    pub fits: bool,
    pub max_context: i64,
    /// Tokens of what would be sent; of everything where it does not fit.
    pub input_length: i64,
    /// Tokens kept free for the answer when messages are left out.
    pub reserved: i64,
    /// Ids of the messages that would be sent, oldest first.
    pub sent_messages: Vec<String>,
    pub dropped: Vec<DroppedMessage>,
}

/// Ask a llama.cpp folder what it can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeEngineParams {
    /// Folder of a llama.cpp build.
    pub llama_cpp_path: String,
    /// Also let it generate a token, with a tiny model made for that. Default false.
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

/// What a build is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeEngineResult {
    /// The llama-server program.
    pub path: String,
    pub version: String,
    /// Kinds of device, such as CPU, CUDA, Vulkan.
    pub backends: Vec<String>,
    pub devices: Vec<EngineDevice>,
    /// Every long flag that it takes.
    pub flags: Vec<String>,
    /// Whether it can listen on a UNIX socket.
    pub unix_socket: bool,
    /// Null where it was not asked for.
    pub proof: Option<EngineProof>,
}

/// Settings for a model that suit this machine as it is now, each with its reason.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RecommendSettingsParams {
    /// As in start_llama_server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// As in start_llama_server; wins over `model`.
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
    /// start_llama_server takes them as they are.
    pub settings: Map<String, Value>,
    pub reasons: Vec<Recommendation>,
    pub fits: bool,
    /// What a start with these settings would take.
    pub estimate: MemoryEstimate,
}

/// One setting and why.
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

/// Answer again. The old answer stays as a sibling branch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegenerateMessageParams {
    /// 0 always takes the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling; 1 switches it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Likeliest tokens to choose from; 0 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Least probability, relative to the likeliest token's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Longest answer. Default: until the model ends or the context is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// 1 switches it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// -1 is a new one each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<SamplingParamsStop>,
    /// Default: the session's, else "default", else the only one running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Functions the model may call, in OpenAI's form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Map<String, Value>>>,
    /// As OpenAI's tool_choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<TurnParamsToolChoice>,
    /// As OpenAI's response_format: a JSON schema the answer must follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Map<String, Value>>,
    /// Whether a model that can think may. Default: the model's own way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
    /// Name in the config's `chat_presets`; parameters given here win over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Default: the session's, else the config's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_policy: Option<ContextPolicy>,
    /// Name for this request's events, unique among the host's live channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    pub session_id: String,
    /// The answer to make again. Default: the last one.
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
            server_id: None,
            tools: None,
            tool_choice: None,
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

/// Something that helps. Its sentence for people is the error's `hint`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Remedy {
    /// A method of this contract, or a RemedyWord.
    pub action: String,
    /// What is known of the method's parameters; a person or the host chooses the others.
    pub params: Map<String, Value>,
}

/// What a remedy is where it is no method. `retry`: the same request again. `change_params`: the same request with other
/// values of the parameters in `names`. `open_settings`: another value of the setting `key`, such as models.default.
/// `install_extra`: the optional part `extra` of the llama-sidecar package.
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
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Remove a managed build. Where it was the default, the last one that was good is it then.
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

/// Go back to the defaults.
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
    /// How many events of this topic were left out before this one because the host read slowly.
    pub dropped: i64,
    pub resources: Resources,
}

/// Stop a server and start it with the same settings.
///
/// Answers that are under way end with SERVER_NOT_RUNNING; messages that wait, or come meanwhile, wait for the new one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RestartServerParams {
    /// Which server. Default "default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Name for this request's events, unique among the host's live channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// Undo delete_model: the files go back to where they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestoreModelParams {
    /// `trash_id`, or the name of the model deleted last under it.
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

/// Let a download go on that was paused or has failed; answered at once.
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
/// The events after `after_seq` are sent once more on `channel` under their old `seq`, then the new ones as they
/// come. Answered as the send_message that it follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResumeSessionParams {
    pub session_id: String,
    /// The last `seq` the host has. Default 0: everything.
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
    /// Bytes are read or copied.
    Working(ModelWork),
    /// The scan's result is in the response.
    Done(ScanDone),
    /// It failed; `error` is the response's.
    Error(ErrorEvent),
    /// Cancelled by the host; what was kept of an answer is in `partial`.
    Cancelled(CancelledEvent),
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Look at all places, as list_models does, and say what is in each and what was left out there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScanModelsParams {
    /// Also read all headers to their end, and whole files where two may be copies of each other: such as are copies are one model afterwards. Takes minutes for large ones. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<bool>,
    /// Name for this request's events, unique among the host's live channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScanModelsResult {
    pub models: i64,
    pub damaged: i64,
    /// Models whose headers have not been read to their end so far.
    pub unread: i64,
    pub sources: Vec<LibrarySource>,
    /// Names of models of one size that begin alike; `verify` finds out whether they are copies.
    pub possible_copies: Vec<Vec<String>>,
    /// Of the look itself, without what `verify` read.
    pub took_ms: f64,
}

/// A message found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchHit {
    pub session_id: String,
    pub session_title: String,
    pub message_id: String,
    pub role: String,
    /// The text around the words, which stand between \u0002 and \u0003.
    pub snippet: String,
    pub created_at: f64,
}

/// Models on the hub that have GGUF files, the most downloaded first.
///
/// The hub is Hugging Face, or the mirror that the config's `downloads.hub_endpoint` or HF_ENDPOINT names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchHubParams {
    /// Words of the name; empty for the most downloaded of all.
    pub query: String,
    /// How many at most. Default 20.
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

/// Messages that hold all the words, the newest first. The last word may be unfinished, from its second letter on.
///
/// INVALID_PARAMS with the path `$.query` is also the answer to a search that is given up because it takes too long.
///
/// Refused while the history is encrypted (`storage.encrypt`): an index would hold its words in plain text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchMessagesParams {
    pub query: String,
    /// Only in this session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Default 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// `next_cursor` of the page before.
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

/// A page of messages found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchMessagesResult {
    pub hits: Vec<SearchHit>,
    pub next_cursor: Option<String>,
}

/// Say something in a session and get the answer, streamed where `channel` is given.
///
/// Messages to one session are answered in the order they came. The user's message is kept before the first
/// event that comes from the engine is sent, the answer before `done`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SendMessageParams {
    /// 0 always takes the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling; 1 switches it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Likeliest tokens to choose from; 0 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Least probability, relative to the likeliest token's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Longest answer. Default: until the model ends or the context is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// 1 switches it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// -1 is a new one each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<SamplingParamsStop>,
    /// Default: the session's, else "default", else the only one running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Functions the model may call, in OpenAI's form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Map<String, Value>>>,
    /// As OpenAI's tool_choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<TurnParamsToolChoice>,
    /// As OpenAI's response_format: a JSON schema the answer must follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Map<String, Value>>,
    /// Whether a model that can think may. Default: the model's own way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
    /// Name in the config's `chat_presets`; parameters given here win over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Default: the session's, else the config's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_policy: Option<ContextPolicy>,
    /// Name for this request's events, unique among the host's live channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Text or content parts. The one-string form \<|system|\>…\<|end|\>\<|user|\>…\<|end|\> is understood.
    pub message: MessageContent,
    /// Left out, or a UUID not seen yet: a new session is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// System prompt; kept as the session's from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Images for a vision model: data: URLs, bare base64, or absolute paths of image files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<String>>,
    /// Answers to the model's tool calls, in place of a message: leave `message` empty then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_results: Option<Vec<ToolResult>>,
    /// A text with {message} in it, in whose place the message is put.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
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
            server_id: None,
            tools: None,
            tool_choice: None,
            response_format: None,
            reasoning: None,
            preset: None,
            context_policy: None,
            channel: None,
            message: message.into(),
            session_id: None,
            system: None,
            images: None,
            tool_results: None,
            template: None,
        }
    }
}

/// Start settings where none are given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerDefaults {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx_size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_gpu_layers: Option<i64>,
    /// CPU threads; fewer than cores where others need them, too. Default: the engine's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<i64>,
}

/// A server and how to reach it directly, past the sidecar. An engine that is started again has another key, and
/// another socket or port unless that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerDetails {
    pub server_id: String,
    pub state: ServerState,
    pub engine: Option<EngineName>,
    /// The model's name.
    pub model: Option<String>,
    pub model_path: Option<String>,
    /// Process id of the engine while there is one.
    pub pid: Option<i64>,
    /// TCP port; null on a private socket.
    pub port: Option<i64>,
    /// Where its OpenAI API is; null on a private socket.
    pub base_url: Option<String>,
    pub ctx_size: Option<i64>,
    pub parallel: Option<i64>,
    pub n_gpu_layers: Option<i64>,
    /// When its process was started, Unix seconds.
    pub started_at: Option<f64>,
    /// Its state in a sentence.
    pub message: String,
    pub plan: Option<StartPlan>,
    pub actual: Option<StartActual>,
    /// Why it failed, in state `failed`; why it crashed, until it is ready again.
    pub error: Option<WireError>,
    /// It runs, but not on the GPU as it was wanted. Null where all is well.
    pub warning: Option<StartWarning>,
    /// How often its engine has crashed and was started again by the sidecar itself.
    pub restarts: i64,
    /// Messages go to this server that name none, and whose session has none. At most one is so.
    pub default: bool,
    /// Send it as `Authorization: Bearer …`.
    pub api_key: Option<String>,
    /// UNIX socket of its HTTP API.
    pub socket_path: Option<String>,
}

/// Topic servers: a server is in a new state. Begins with every server there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerEvent {
    /// How many events of this topic were left out before this one because the host read slowly.
    pub dropped: i64,
    pub server: ServerInfo,
}

/// Name and version of this sidecar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerIdentity {
    pub name: String,
    pub version: String,
}

/// A server and how it is. Before it is planned, what has not been chosen yet is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerInfo {
    pub server_id: String,
    pub state: ServerState,
    pub engine: Option<EngineName>,
    /// The model's name.
    pub model: Option<String>,
    pub model_path: Option<String>,
    /// Process id of the engine while there is one.
    pub pid: Option<i64>,
    /// TCP port; null on a private socket.
    pub port: Option<i64>,
    /// Where its OpenAI API is; null on a private socket.
    pub base_url: Option<String>,
    pub ctx_size: Option<i64>,
    pub parallel: Option<i64>,
    pub n_gpu_layers: Option<i64>,
    /// When its process was started, Unix seconds.
    pub started_at: Option<f64>,
    /// Its state in a sentence.
    pub message: String,
    pub plan: Option<StartPlan>,
    pub actual: Option<StartActual>,
    /// Why it failed, in state `failed`; why it crashed, until it is ready again.
    pub error: Option<WireError>,
    /// It runs, but not on the GPU as it was wanted. Null where all is well.
    pub warning: Option<StartWarning>,
    /// How often its engine has crashed and was started again by the sidecar itself.
    pub restarts: i64,
    /// Messages go to this server that name none, and whose session has none. At most one is so.
    pub default: bool,
}

/// Topic servers: a server was stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerRemovedEvent {
    /// How many events of this topic were left out before this one because the host read slowly.
    pub dropped: i64,
    pub server_id: String,
}

/// How to run a model. Everything is optional.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerSettings {
    /// Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llama_cpp_path: Option<String>,
    /// Name of a build that install_engine has brought. `llama_cpp_path` wins over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_build: Option<String>,
    /// The GGUF file to load. Wins over `model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_path: Option<String>,
    /// Name of a model in the library. With neither: the config's default, else the only one, else the last used, else the starter model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// Address to listen on, with `port`. Default 127.0.0.1. Others need the key all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Context in tokens; 0 takes the model's own. Default 4096.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx_size: Option<i64>,
    /// Messages answered at the same time; they share the context. Default 4.
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
    /// Fail instead of running on the CPU, in whole or in part, where a GPU was wanted.
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
    /// Tokens a model may think; -1 without a limit, 0 none. Default -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_budget: Option<i64>,
    /// Serve embeddings only. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<bool>,
    /// llama.cpp RPC servers, host:port each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc_servers: Option<Vec<String>>,
    /// Further flags, handed over as they are; refused where the engine has none such, and where they would change its model, its address, its key or who else may ask it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_args: Option<Vec<String>>,
    /// Further environment variables of the engine process; of the sidecar's own it gets only what drivers need. LLAMA_API_KEY and LLAMA_ARG_… are refused.
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

/// How far a server is. `stopped` and `failed` are its ends. One whose engine has crashed goes through `stopping` and
/// `queued` (the pause before the next start) to `ready` once more. One that is `sleeping` has no engine and takes no
/// memory; the next message for it starts its engine again, and waits for that.
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
    /// 100 is one core, since the reading before.
    pub cpu_percent: f64,
    /// Over all GPUs; null where the driver does not tell.
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
    /// 0 always takes the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling; 1 switches it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Likeliest tokens to choose from; 0 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Least probability, relative to the likeliest token's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Longest answer. Default: until the model ends or the context is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// 1 switches it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// -1 is a new one each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<SamplingParamsStop>,
    /// Default: the config's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_policy: Option<ContextPolicy>,
}

/// Topic sessions: a session was deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionDeletedEvent {
    /// How many events of this topic were left out before this one because the host read slowly.
    pub dropped: i64,
    pub session_id: String,
}

/// Topic sessions: a session was made, changed, restored or used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionEvent {
    /// How many events of this topic were left out before this one because the host read slowly.
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

/// Change settings by a JSON merge patch (RFC 7396): what is left out stays, `null` goes back to the default.
///
/// The file is replaced as a whole or not at all. Running servers keep the settings they were started with.
/// `storage.encrypt` rewrites the history before this is answered.
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

/// Let starts that name no engine take another managed build, once it has generated a token, or none of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SetDefaultEngineParams {
    /// As in list_engines. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Stop every engine and owned process, flush, answer, exit 0. At most 5 s.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShutdownParams {}

/// What the engine says of itself once it is ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartActual {
    /// Tokens that one message's prompt and answer may use together.
    pub context_per_message: i64,
    /// Messages that it answers at the same time.
    pub slots: i64,
    /// From the start of the process until it was ready.
    pub load_ms: f64,
    /// Layers on the GPU, where the engine says so.
    pub gpu_layers: Option<i64>,
    /// Layers of the model, where the engine says so.
    pub total_layers: Option<i64>,
    /// Whether it takes images.
    pub vision: bool,
    /// The engine's build, in its own words.
    pub build: Option<String>,
    /// Where the model went; empty where the engine does not say so.
    pub memory: Vec<MemoryTaken>,
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
    /// The model is being read.
    Loading(StartLoading),
    /// Loaded; the first empty run is under way.
    Warming,
    /// Ready; the members are the response's.
    Done(ServerInfo),
    /// It failed; `error` is the response's.
    Error(ErrorEvent),
    /// Cancelled by the host; what was kept of an answer is in `partial`.
    Cancelled(CancelledEvent),
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// Start an engine with a model; answered when it is ready for messages.
///
/// With no engine named the best one found is used: a configured llama.cpp folder, then the default of the builds that
/// install_engine has brought, then PATH, then the embedded engine, then llama-cpp-python.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StartLlamaServerParams {
    /// Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llama_cpp_path: Option<String>,
    /// Name of a build that install_engine has brought. `llama_cpp_path` wins over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_build: Option<String>,
    /// The GGUF file to load. Wins over `model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_path: Option<String>,
    /// Name of a model in the library. With neither: the config's default, else the only one, else the last used, else the starter model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// Address to listen on, with `port`. Default 127.0.0.1. Others need the key all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Context in tokens; 0 takes the model's own. Default 4096.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx_size: Option<i64>,
    /// Messages answered at the same time; they share the context. Default 4.
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
    /// Fail instead of running on the CPU, in whole or in part, where a GPU was wanted.
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
    /// Tokens a model may think; -1 without a limit, 0 none. Default -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_budget: Option<i64>,
    /// Serve embeddings only. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<bool>,
    /// llama.cpp RPC servers, host:port each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc_servers: Option<Vec<String>>,
    /// Further flags, handed over as they are; refused where the engine has none such, and where they would change its model, its address, its key or who else may ask it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_args: Option<Vec<String>>,
    /// Further environment variables of the engine process; of the sidecar's own it gets only what drivers need. LLAMA_API_KEY and LLAMA_ARG_… are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// Which server. Default "default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Name in the config's `server_presets`; parameters given here win over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Name for this request's events, unique among the host's live channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// The model is being read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartLoading {
    /// What is being loaded, such as text_model or mmproj_model.
    pub stage: String,
    /// 0 to 1 over all stages; null where the engine does not tell.
    pub progress: Option<f64>,
    /// Estimated time left, from the rate so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_ms: Option<f64>,
}

/// What the engine was asked for, after every default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartPlan {
    pub ctx_size: i64,
    pub parallel: i64,
    pub n_gpu_layers: i64,
    /// The command line; never holds a secret.
    pub argv: Vec<String>,
    /// Settings that this engine does not know, left out.
    pub ignored: Vec<String>,
    /// What the engine's own allocator planned before it loaded anything.
    pub memory: Vec<MemoryTaken>,
}

/// The process is being started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartStarting {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i64>,
}

/// A server that runs, but not as it was wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartWarning {
    pub code: StartWarningCode,
    pub cause: GpuCause,
    /// What happened and why, in words.
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

/// Stop a server, in whatever state it is; answered when its process is gone.
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
    /// How long a deleted session can be brought back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_retention_days: Option<f64>,
    /// Encrypt what is said: messages, reasoning, tool calls, titles, system prompts and settings of sessions (AES-256-GCM, each for itself), with a key that the system's keyring keeps. Needs a keyring and pip install 'llama-sidecar\[encrypt\]'; without them set_config refuses, and a history that is encrypted can neither be read nor added to. It protects a stolen disk and copies of the data folder. It does not protect from programs that run as the same user: they can ask the keyring, too. Ids, times, lengths, token counts, roles and names of models and servers stay readable, and this config file, with chat.system and chat_presets, is not encrypted. search_messages is off. Whoever loses the key loses the history: a backup needs the keyring as well. A change takes effect at once and rewrites the whole history before set_config is answered; plain text is overwritten in history.db, but older copies of it are yours to remove, and an SSD may keep what was overwritten for a while. null: as the history is, so a lost config decrypts nothing; a new one is not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypt: Option<bool>,
}

/// How much of a topic to send.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SubscribeOptions {
    /// Time between two readings of a topic that is read periodically; by default 1000 for resources, 2000 for models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<i64>,
    /// logs: one source, as in list_log_sources. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// logs: the lowest level to send. Default: info.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_level: Option<Level>,
}

/// Receive the events of topics on a channel, beginning with the present state.
///
/// The channel outlives this request: it ends with `done`, written before the response to `unsubscribe`.
/// For a host that reads slowly, the oldest log and resource events are left out and counted in `dropped`.
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
/// What belongs to the model before is not kept: chat template, projector and LoRA adapters. Answers that are under way
/// end with SERVER_NOT_RUNNING; messages that wait, or come meanwhile, wait for the new one.
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

/// How long it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// From the request to the first token; null where there was none.
    pub ttft_ms: Option<f64>,
    /// Prompt tokens computed a second.
    pub prompt_per_second: Option<f64>,
    /// Tokens generated a second.
    pub predicted_per_second: Option<f64>,
    /// From the request to the end.
    pub total_ms: f64,
}

/// A call that the model asks for; answer it with `tool_results`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    pub id: String,
    pub r#type: ToolCallType,
    pub function: ToolFunction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ToolCallType {
    #[serde(rename = "function")]
    Function,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// The function a model wants called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolFunction {
    pub name: String,
    /// JSON as the model wrote it; it may be wrong.
    pub arguments: String,
}

/// What a tool gave back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// `id` of the tool call it answers.
    pub tool_call_id: String,
    pub content: String,
}

impl ToolResult {
    /// What must be given; everything else is left to its default.
    pub fn new(tool_call_id: impl Into<String>, content: impl Into<String>) -> Self {
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
    /// Topic servers: a server is in a new state. Begins with every server there is.
    Server(ServerEvent),
    /// Topic servers: a server was stopped.
    ServerRemoved(ServerRemovedEvent),
    /// Topic resources: a reading.
    Resources(ResourcesEvent),
    /// Topic logs: new lines.
    Logs(LogsEvent),
    /// Topic sessions: a session was made, changed, restored or used.
    Session(SessionEvent),
    /// Topic sessions: a session was deleted.
    SessionDeleted(SessionDeletedEvent),
    /// Topic models: a model has come, or is another one than before. Begins with every model there is.
    Model(ModelEvent),
    /// Topic models: there is no model of this name any more.
    ModelRemoved(ModelRemovedEvent),
    /// Topic downloads: a download is in a new state or has come further. Begins with every one in list_downloads.
    Download(DownloadStateEvent),
    /// Topic engines: there are other managed builds, or another one is the default. Begins with those there are.
    Engines(EnginesEvent),
    /// The subscription ended.
    Done,
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// A deleted model that can be brought back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrashedModel {
    pub trash_id: String,
    pub model: String,
    /// Where it was.
    pub path: String,
    pub files: i64,
    pub size_bytes: i64,
    pub deleted_at: f64,
    /// When it goes for ever: `models.deleted_retention_days` later.
    pub purged_at: f64,
}

/// What a channel of this kind carries, distinguished by `status`: 9 kinds of event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum TurnEvent {
    /// Accepted; so many messages are before it.
    Queued(TurnQueued),
    /// The server has slept, or its engine has crashed: an engine is being started for the message.
    Loading(TurnLoading),
    /// The prompt is being computed.
    Prefill(TurnPrefill),
    /// The model thinks.
    Reasoning(TurnReasoning),
    /// The answer goes on.
    Token(TurnToken),
    /// The model wants a function called; complete.
    ToolCall(TurnToolCall),
    /// Complete and kept; the members are the response's.
    Done(TurnResult),
    /// It failed; `error` is the response's.
    Error(ErrorEvent),
    /// Cancelled by the host; what was kept of an answer is in `partial`.
    Cancelled(CancelledEvent),
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

/// The server has slept, or its engine has crashed: an engine is being started for the message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnLoading {
    /// What is being loaded, such as text_model or mmproj_model.
    pub stage: String,
    /// 0 to 1 over all stages; null where the engine does not tell.
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

/// The prompt is being computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnPrefill {
    pub processed: i64,
    pub total: i64,
    pub cached: i64,
}

/// Accepted; so many messages are before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnQueued {
    pub position: i64,
}

/// The model thinks.
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
    /// Id of the message that it answers.
    pub user_message_id: Option<String>,
    pub content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// stop, length (max_tokens reached or the context is full), or tool_calls.
    pub finish_reason: String,
    pub usage: Usage,
    pub timings: Timings,
    pub context: ContextUse,
}

/// The answer goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnToken {
    pub chunk: String,
}

/// The model wants a function called; complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnToolCall {
    pub tool_call: ToolCall,
}

/// End a subscription; its channel ends with `done` before this is answered.
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

/// Whether there was such a subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnsubscribeResult {
    pub channel: String,
    pub found: bool,
}

/// Change a session; what is left out stays.
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
    /// Replaces the session's settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<SessionConfig>,
    /// Id of a message: go on from its branch.
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

/// Tokens, as the engine counted them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    /// Of the prompt, found in the engine's cache and not computed again.
    pub cached_tokens: i64,
}

/// An error as the host sees it: code, message, and `data` with `name`, `retryable`, `hint` and `remedies`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireError {
    pub code: i64,
    pub message: String,
    pub data: Map<String, Value>,
}
