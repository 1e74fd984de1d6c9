//! Every method of the contract. Generated from sidecar/contract by build/schema/generate.py; do not edit.

use serde::{de::DeserializeOwned, Serialize};
use serde_json::{Map, Value};

use crate::types;
use crate::wire::NoEvent;

/// What belongs to a method.
pub trait Method {
    /// What stands in `method` of a request.
    const NAME: &'static str;
    /// Its parameters.
    type Params: Serialize;
    /// Its result.
    type Result: DeserializeOwned;
    /// What its channel carries; [`NoEvent`] where it does not stream.
    type Event: DeserializeOwned;
}

/// The contract that this crate was generated from: major and minor.
pub const CONTRACT_VERSION: &str = "1.2";

/// SHA-256 of its OpenRPC document, as `initialize` answers it.
pub const CONTRACT_HASH: &str = "8265705ebf16d6377152fe51dc82a2cc1075f85673ef2e13f4ca017cbcbd1e6c";

/// The name of every method.
pub const NAMES: &[&str] = &[
    "initialize",
    "ping",
    "shutdown",
    "rpc.discover",
    "subscribe",
    "unsubscribe",
    "start_llama_server",
    "stop_llama_server",
    "is_llama_running",
    "get_llama_config",
    "get_server",
    "list_servers",
    "restart_server",
    "switch_model",
    "preview_command",
    "ping_server",
    "list_engines",
    "probe_engine",
    "install_engine",
    "set_default_engine",
    "remove_engine",
    "send_message",
    "regenerate_message",
    "edit_message",
    "continue_message",
    "delete_message",
    "update_message",
    "cancel_message",
    "count_tokens",
    "preview_context",
    "resume_session",
    "ack",
    "create_session",
    "list_sessions",
    "get_session",
    "get_messages",
    "update_session",
    "delete_session",
    "list_deleted_sessions",
    "restore_session",
    "search_messages",
    "export_session",
    "import_session",
    "get_config",
    "set_config",
    "reset_config",
    "get_config_schema",
    "get_logs",
    "list_log_sources",
    "clear_logs",
    "list_models",
    "get_model",
    "scan_models",
    "inspect_model",
    "import_model",
    "delete_model",
    "list_deleted_models",
    "restore_model",
    "empty_trash",
    "search_hub",
    "list_hub_files",
    "download_model",
    "list_downloads",
    "pause_download",
    "resume_download",
    "cancel_download",
    "estimate_memory",
    "recommend_settings",
    "get_resources",
];

/// Introduce the host, and return the sidecar's version and capabilities. Optional for simple hosts.
#[derive(Debug, Clone, Copy)]
pub struct Initialize;

impl Method for Initialize {
    const NAME: &'static str = "initialize";
    type Params = types::InitializeParams;
    type Result = types::InitializeResult;
    type Event = NoEvent;
}

/// Answer immediately, which shows that the connection works.
#[derive(Debug, Clone, Copy)]
pub struct Ping;

impl Method for Ping {
    const NAME: &'static str = "ping";
    type Params = types::PingParams;
    type Result = types::PingResult;
    type Event = NoEvent;
}

/// Stop every engine and owned process, flush, answer, and exit with code 0, within 5 s.
#[derive(Debug, Clone, Copy)]
pub struct Shutdown;

impl Method for Shutdown {
    const NAME: &'static str = "shutdown";
    type Params = types::ShutdownParams;
    type Result = ();
    type Event = NoEvent;
}

/// Return the contract as an OpenRPC document.
#[derive(Debug, Clone, Copy)]
pub struct Discover;

impl Method for Discover {
    const NAME: &'static str = "rpc.discover";
    type Params = types::DiscoverParams;
    type Result = Map<String, Value>;
    type Event = NoEvent;
}

/// Receive the events of topics on a channel, starting with the current state.
///
/// The channel outlives this request: it ends with `done`, written before the response to `unsubscribe`.
/// If the host reads slowly, old events are dropped or replaced by newer ones, and counted in `dropped`.
#[derive(Debug, Clone, Copy)]
pub struct Subscribe;

impl Method for Subscribe {
    const NAME: &'static str = "subscribe";
    type Params = types::SubscribeParams;
    type Result = types::SubscribeResult;
    type Event = types::TopicEvent;
}

/// End a subscription; its channel ends with `done` before the response.
#[derive(Debug, Clone, Copy)]
pub struct Unsubscribe;

impl Method for Unsubscribe {
    const NAME: &'static str = "unsubscribe";
    type Params = types::UnsubscribeParams;
    type Result = types::UnsubscribeResult;
    type Event = NoEvent;
}

/// Start an engine with a model; answered when it is ready for messages.
///
/// If no engine is named, the best one found is used: the configured llama.cpp folder, then the default managed build,
/// then PATH, then the embedded engine, then llama-cpp-python.
#[derive(Debug, Clone, Copy)]
pub struct StartLlamaServer;

impl Method for StartLlamaServer {
    const NAME: &'static str = "start_llama_server";
    type Params = types::StartLlamaServerParams;
    type Result = types::ServerInfo;
    type Event = types::StartEvent;
}

/// Stop a server in any state; answered when its process has ended.
#[derive(Debug, Clone, Copy)]
pub struct StopLlamaServer;

impl Method for StopLlamaServer {
    const NAME: &'static str = "stop_llama_server";
    type Params = types::StopLlamaServerParams;
    type Result = types::StopLlamaServerResult;
    type Event = NoEvent;
}

/// Return whether the server accepts messages: it is ready, or sleeps until the next message.
#[derive(Debug, Clone, Copy)]
pub struct IsLlamaRunning;

impl Method for IsLlamaRunning {
    const NAME: &'static str = "is_llama_running";
    type Params = types::IsLlamaRunningParams;
    type Result = bool;
    type Event = NoEvent;
}

/// Return the settings a server runs with, or would start with if it does not exist.
#[derive(Debug, Clone, Copy)]
pub struct GetLlamaConfig;

impl Method for GetLlamaConfig {
    const NAME: &'static str = "get_llama_config";
    type Params = types::GetLlamaConfigParams;
    type Result = types::LlamaConfig;
    type Event = NoEvent;
}

/// Return a server, and how to connect to it directly.
#[derive(Debug, Clone, Copy)]
pub struct GetServer;

impl Method for GetServer {
    const NAME: &'static str = "get_server";
    type Params = types::GetServerParams;
    type Result = types::ServerDetails;
    type Event = NoEvent;
}

/// List every server that was started and not stopped, including failed ones.
#[derive(Debug, Clone, Copy)]
pub struct ListServers;

impl Method for ListServers {
    const NAME: &'static str = "list_servers";
    type Params = types::ListServersParams;
    type Result = Vec<types::ServerInfo>;
    type Event = NoEvent;
}

/// Stop a server and start it with the same settings.
///
/// Running answers end with SERVER_NOT_RUNNING; queued and new messages wait for the new engine.
#[derive(Debug, Clone, Copy)]
pub struct RestartServer;

impl Method for RestartServer {
    const NAME: &'static str = "restart_server";
    type Params = types::RestartServerParams;
    type Result = types::ServerInfo;
    type Event = types::StartEvent;
}

/// Stop a server and start it with another model and otherwise the same settings. Sessions stay.
///
/// Settings of the previous model are not kept: chat template, projector, LoRA adapters, draft model, and RoPE and
/// YaRN scaling. Running answers end with
/// SERVER_NOT_RUNNING; queued and new messages wait for the new engine.
#[derive(Debug, Clone, Copy)]
pub struct SwitchModel;

impl Method for SwitchModel {
    const NAME: &'static str = "switch_model";
    type Params = types::SwitchModelParams;
    type Result = types::ServerInfo;
    type Event = types::StartEvent;
}

/// Return the command that start_llama_server would run. Nothing is started or written.
#[derive(Debug, Clone, Copy)]
pub struct PreviewCommand;

impl Method for PreviewCommand {
    const NAME: &'static str = "preview_command";
    type Params = types::PreviewCommandParams;
    type Result = types::PreviewCommandResult;
    type Event = NoEvent;
}

/// Check the health of an engine.
#[derive(Debug, Clone, Copy)]
pub struct PingServer;

impl Method for PingServer {
    const NAME: &'static str = "ping_server";
    type Params = types::PingServerParams;
    type Result = types::PingServerResult;
    type Event = NoEvent;
}

/// List the engines of this machine, best first, including every managed build.
#[derive(Debug, Clone, Copy)]
pub struct ListEngines;

impl Method for ListEngines {
    const NAME: &'static str = "list_engines";
    type Params = types::ListEnginesParams;
    type Result = Vec<types::EngineInfo>;
    type Event = NoEvent;
}

/// Report the capabilities of a llama.cpp build in a folder.
#[derive(Debug, Clone, Copy)]
pub struct ProbeEngine;

impl Method for ProbeEngine {
    const NAME: &'static str = "probe_engine";
    type Params = types::ProbeEngineParams;
    type Result = types::ProbeEngineResult;
    type Event = NoEvent;
}

/// Install a llama.cpp build from a release archive (.zip, .tar.gz or .tar.xz); answered once the build is proved.
///
/// Give `url` or `path`. The archive is checked and unpacked beside the other builds. The build must generate one token
/// with a tiny model that the sidecar creates for this; only then is it installed. A build that fails is removed, and
/// the default does not change. Cancelling keeps only the downloaded part, from which the same request resumes.
#[derive(Debug, Clone, Copy)]
pub struct InstallEngine;

impl Method for InstallEngine {
    const NAME: &'static str = "install_engine";
    type Params = types::InstallEngineParams;
    type Result = types::EngineInfo;
    type Event = types::InstallEvent;
}

/// Choose the managed build for starts that name no engine, once it is proved; or none.
#[derive(Debug, Clone, Copy)]
pub struct SetDefaultEngine;

impl Method for SetDefaultEngine {
    const NAME: &'static str = "set_default_engine";
    type Params = types::SetDefaultEngineParams;
    type Result = types::ManagedEngines;
    type Event = NoEvent;
}

/// Remove a managed build. If it was the default, the last good build becomes the default.
#[derive(Debug, Clone, Copy)]
pub struct RemoveEngine;

impl Method for RemoveEngine {
    const NAME: &'static str = "remove_engine";
    type Params = types::RemoveEngineParams;
    type Result = types::ManagedEngines;
    type Event = NoEvent;
}

/// Send a message to a session and get the answer, streamed if `channel` is given.
///
/// Messages to one session are answered in order of arrival. The user's message is stored before the first event
/// from the engine is sent, and the answer is stored before `done`.
#[derive(Debug, Clone, Copy)]
pub struct SendMessage;

impl Method for SendMessage {
    const NAME: &'static str = "send_message";
    type Params = types::SendMessageParams;
    type Result = types::TurnResult;
    type Event = types::TurnEvent;
}

/// Generate an answer again. The old answer stays as a sibling branch.
#[derive(Debug, Clone, Copy)]
pub struct RegenerateMessage;

impl Method for RegenerateMessage {
    const NAME: &'static str = "regenerate_message";
    type Params = types::RegenerateMessageParams;
    type Result = types::TurnResult;
    type Event = types::TurnEvent;
}

/// Replace a user message and answer it. The old message and all after it stay as a sibling branch.
#[derive(Debug, Clone, Copy)]
pub struct EditMessage;

impl Method for EditMessage {
    const NAME: &'static str = "edit_message";
    type Params = types::EditMessageParams;
    type Result = types::TurnResult;
    type Event = types::TurnEvent;
}

/// Continue an answer that was cut: it reached max_tokens, was cancelled or interrupted, or a person has edited it.
///
/// The answer stays one message with its id. Events carry the new text, the result the whole. It has to be the end of
/// its branch, and an engine without assistant prefill refuses with NOT_SUPPORTED. The model does not reason again.
#[derive(Debug, Clone, Copy)]
pub struct ContinueMessage;

impl Method for ContinueMessage {
    const NAME: &'static str = "continue_message";
    type Params = types::ContinueMessageParams;
    type Result = types::TurnResult;
    type Event = types::TurnEvent;
}

/// Delete one message permanently. The messages after it stay, and follow the one before it.
///
/// A branch that ends with it ends with the message before it, or continues on the newest branch from there. A message
/// that is being written is refused: cancel it first.
#[derive(Debug, Clone, Copy)]
pub struct DeleteMessage;

impl Method for DeleteMessage {
    const NAME: &'static str = "delete_message";
    type Params = types::DeleteMessageParams;
    type Result = types::Session;
    type Event = NoEvent;
}

/// Replace the text of a message in place, as a person's correction; it is marked with `edited_at`.
///
/// Nothing is answered again, and the old text is not kept: edit_message makes a branch instead. Images stay.
#[derive(Debug, Clone, Copy)]
pub struct UpdateMessage;

impl Method for UpdateMessage {
    const NAME: &'static str = "update_message";
    type Params = types::UpdateMessageParams;
    type Result = types::Message;
    type Event = NoEvent;
}

/// Stop a session's answer; answered when the engine no longer works on it.
#[derive(Debug, Clone, Copy)]
pub struct CancelMessage;

impl Method for CancelMessage {
    const NAME: &'static str = "cancel_message";
    type Params = types::CancelMessageParams;
    type Result = types::CancelMessageResult;
    type Event = NoEvent;
}

/// Count the exact tokens of a text, or of a conversation in the model's chat template.
#[derive(Debug, Clone, Copy)]
pub struct CountTokens;

impl Method for CountTokens {
    const NAME: &'static str = "count_tokens";
    type Params = types::CountTokensParams;
    type Result = types::CountTokensResult;
    type Event = NoEvent;
}

/// Show what send_message would send and leave out, and why. Nothing is sent to the model or stored.
#[derive(Debug, Clone, Copy)]
pub struct PreviewContext;

impl Method for PreviewContext {
    const NAME: &'static str = "preview_context";
    type Params = types::PreviewContextParams;
    type Result = types::PreviewContextResult;
    type Event = NoEvent;
}

/// Follow the running or last answer of a session again, after a reload, a lost connection or a restart.
///
/// The events after `after_seq` are sent again on `channel` under their old `seq`, then the new ones as they
/// occur. The response is that of the send_message that is followed.
#[derive(Debug, Clone, Copy)]
pub struct ResumeSession;

impl Method for ResumeSession {
    const NAME: &'static str = "resume_session";
    type Params = types::ResumeSessionParams;
    type Result = types::TurnResult;
    type Event = types::TurnEvent;
}

/// Acknowledge the events of a session's last answer, so that they need not be kept for resume_session.
#[derive(Debug, Clone, Copy)]
pub struct Ack;

impl Method for Ack {
    const NAME: &'static str = "ack";
    type Params = types::AckParams;
    type Result = types::AckResult;
    type Event = NoEvent;
}

/// Create an empty session.
#[derive(Debug, Clone, Copy)]
pub struct CreateSession;

impl Method for CreateSession {
    const NAME: &'static str = "create_session";
    type Params = types::CreateSessionParams;
    type Result = types::Session;
    type Event = NoEvent;
}

/// List sessions, the last used first.
#[derive(Debug, Clone, Copy)]
pub struct ListSessions;

impl Method for ListSessions {
    const NAME: &'static str = "list_sessions";
    type Params = types::ListSessionsParams;
    type Result = types::ListSessionsResult;
    type Event = NoEvent;
}

/// Return a session.
#[derive(Debug, Clone, Copy)]
pub struct GetSession;

impl Method for GetSession {
    const NAME: &'static str = "get_session";
    type Params = types::GetSessionParams;
    type Result = types::Session;
    type Event = NoEvent;
}

/// Return the messages of a branch, oldest first: the newest ones, as many as the host reads in a line.
#[derive(Debug, Clone, Copy)]
pub struct GetMessages;

impl Method for GetMessages {
    const NAME: &'static str = "get_messages";
    type Params = types::GetMessagesParams;
    type Result = types::GetMessagesResult;
    type Event = NoEvent;
}

/// Change a session; omitted members keep their value.
#[derive(Debug, Clone, Copy)]
pub struct UpdateSession;

impl Method for UpdateSession {
    const NAME: &'static str = "update_session";
    type Params = types::UpdateSessionParams;
    type Result = types::Session;
    type Event = NoEvent;
}

/// Delete a session. restore_session can restore it until it is purged.
#[derive(Debug, Clone, Copy)]
pub struct DeleteSession;

impl Method for DeleteSession {
    const NAME: &'static str = "delete_session";
    type Params = types::DeleteSessionParams;
    type Result = types::DeleteSessionResult;
    type Event = NoEvent;
}

/// List the deleted sessions that restore_session can restore, the last deleted first.
#[derive(Debug, Clone, Copy)]
pub struct ListDeletedSessions;

impl Method for ListDeletedSessions {
    const NAME: &'static str = "list_deleted_sessions";
    type Params = types::ListDeletedSessionsParams;
    type Result = types::ListDeletedSessionsResult;
    type Event = NoEvent;
}

/// Undo delete_session.
#[derive(Debug, Clone, Copy)]
pub struct RestoreSession;

impl Method for RestoreSession {
    const NAME: &'static str = "restore_session";
    type Params = types::RestoreSessionParams;
    type Result = types::Session;
    type Event = NoEvent;
}

/// Search for messages that contain all the words, the newest first. The last word may be a prefix of two letters.
///
/// A search that takes too long is cancelled with INVALID_PARAMS and the path `$.query`.
///
/// Refused while the history is encrypted (`storage.encrypt`): an index would contain its words in plain text.
#[derive(Debug, Clone, Copy)]
pub struct SearchMessages;

impl Method for SearchMessages {
    const NAME: &'static str = "search_messages";
    type Params = types::SearchMessagesParams;
    type Result = types::SearchMessagesResult;
    type Event = NoEvent;
}

/// Export a session: everything as JSON, or the branch in use as Markdown.
#[derive(Debug, Clone, Copy)]
pub struct ExportSession;

impl Method for ExportSession {
    const NAME: &'static str = "export_session";
    type Params = types::ExportSessionParams;
    type Result = types::ExportSessionResult;
    type Event = NoEvent;
}

/// Import JSON that export_session wrote. The session gets a new id if the old one is in use.
#[derive(Debug, Clone, Copy)]
pub struct ImportSession;

impl Method for ImportSession {
    const NAME: &'static str = "import_session";
    type Params = types::ImportSessionParams;
    type Result = types::Session;
    type Event = NoEvent;
}

/// Return the whole config, with defaults filled in.
#[derive(Debug, Clone, Copy)]
pub struct GetConfig;

impl Method for GetConfig {
    const NAME: &'static str = "get_config";
    type Params = types::GetConfigParams;
    type Result = types::Config;
    type Event = NoEvent;
}

/// Change settings by a JSON merge patch (RFC 7396): omitted keys keep their value, `null` restores the default.
///
/// The file is replaced atomically. Running servers keep the settings they were started with.
/// A change of `storage.encrypt` rewrites the history before the response.
#[derive(Debug, Clone, Copy)]
pub struct SetConfig;

impl Method for SetConfig {
    const NAME: &'static str = "set_config";
    type Params = types::SetConfigParams;
    type Result = types::Config;
    type Event = NoEvent;
}

/// Restore the defaults.
#[derive(Debug, Clone, Copy)]
pub struct ResetConfig;

impl Method for ResetConfig {
    const NAME: &'static str = "reset_config";
    type Params = types::ResetConfigParams;
    type Result = types::Config;
    type Event = NoEvent;
}

/// Return the JSON Schema of the config, with descriptions and defaults.
#[derive(Debug, Clone, Copy)]
pub struct GetConfigSchema;

impl Method for GetConfigSchema {
    const NAME: &'static str = "get_config_schema";
    type Params = types::GetConfigSchemaParams;
    type Result = Map<String, Value>;
    type Event = NoEvent;
}

/// Return the latest lines that are still in memory, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct GetLogs;

impl Method for GetLogs {
    const NAME: &'static str = "get_logs";
    type Params = types::GetLogsParams;
    type Result = types::GetLogsResult;
    type Event = NoEvent;
}

/// List the sources that have logged.
#[derive(Debug, Clone, Copy)]
pub struct ListLogSources;

impl Method for ListLogSources {
    const NAME: &'static str = "list_log_sources";
    type Params = types::ListLogSourcesParams;
    type Result = Vec<types::LogSource>;
    type Event = NoEvent;
}

/// Clear the lines in memory and empty the files.
#[derive(Debug, Clone, Copy)]
pub struct ClearLogs;

impl Method for ClearLogs {
    const NAME: &'static str = "clear_logs";
    type Params = types::ClearLogsParams;
    type Result = ();
    type Event = NoEvent;
}

/// List the models in the library: the sidecar's own, those in the config's folders, and those of other programs.
///
/// Models of other programs are used in place: their files are never copied or written to. The list is in the order of
/// names, and an answer has at most 8 MiB: a host with more than ten thousand models asks for the next page until one
/// is empty.
#[derive(Debug, Clone, Copy)]
pub struct ListModels;

impl Method for ListModels {
    const NAME: &'static str = "list_models";
    type Params = types::ListModelsParams;
    type Result = Vec<types::ModelInfo>;
    type Event = NoEvent;
}

/// Return a model with the details in its header, which is read completely.
#[derive(Debug, Clone, Copy)]
pub struct GetModel;

impl Method for GetModel {
    const NAME: &'static str = "get_model";
    type Params = types::GetModelParams;
    type Result = types::ModelDetails;
    type Event = NoEvent;
}

/// Scan all sources, as list_models does, and report what each one has and what was skipped.
#[derive(Debug, Clone, Copy)]
pub struct ScanModels;

impl Method for ScanModels {
    const NAME: &'static str = "scan_models";
    type Params = types::ScanModelsParams;
    type Result = types::ScanModelsResult;
    type Event = types::ScanEvent;
}

/// Return the header of a GGUF file. Nothing else of the file is read.
#[derive(Debug, Clone, Copy)]
pub struct InspectModel;

impl Method for InspectModel {
    const NAME: &'static str = "inspect_model";
    type Params = types::InspectModelParams;
    type Result = types::InspectModelResult;
    type Event = NoEvent;
}

/// Import a GGUF file into the sidecar's own models folder, with the other parts of a split model and its projector.
///
/// Existing files are never overwritten. A model of another program can be linked or copied, not moved.
#[derive(Debug, Clone, Copy)]
pub struct ImportModel;

impl Method for ImportModel {
    const NAME: &'static str = "import_model";
    type Params = types::ImportModelParams;
    type Result = types::ModelInfo;
    type Event = types::ImportEvent;
}

/// Delete a model in the sidecar's own folder. restore_model can restore it until it is purged.
///
/// Files of other programs and in the config's folders are never deleted: of a link in our folder, only the link is.
#[derive(Debug, Clone, Copy)]
pub struct DeleteModel;

impl Method for DeleteModel {
    const NAME: &'static str = "delete_model";
    type Params = types::DeleteModelParams;
    type Result = types::DeletedModel;
    type Event = NoEvent;
}

/// List the deleted models that can be restored, the last deleted first.
#[derive(Debug, Clone, Copy)]
pub struct ListDeletedModels;

impl Method for ListDeletedModels {
    const NAME: &'static str = "list_deleted_models";
    type Params = types::ListDeletedModelsParams;
    type Result = Vec<types::TrashedModel>;
    type Event = NoEvent;
}

/// Undo delete_model: the files are moved back to where they were.
#[derive(Debug, Clone, Copy)]
pub struct RestoreModel;

impl Method for RestoreModel {
    const NAME: &'static str = "restore_model";
    type Params = types::RestoreModelParams;
    type Result = types::ModelInfo;
    type Event = NoEvent;
}

/// Delete permanently what restore_model could restore.
#[derive(Debug, Clone, Copy)]
pub struct EmptyTrash;

impl Method for EmptyTrash {
    const NAME: &'static str = "empty_trash";
    type Params = types::EmptyTrashParams;
    type Result = types::EmptyTrashResult;
    type Event = NoEvent;
}

/// Search the hub for models that have GGUF files; the most downloaded first.
///
/// The hub is Hugging Face, or the mirror that the config's `downloads.hub_endpoint` or HF_ENDPOINT names.
#[derive(Debug, Clone, Copy)]
pub struct SearchHub;

impl Method for SearchHub {
    const NAME: &'static str = "search_hub";
    type Params = types::SearchHubParams;
    type Result = Vec<types::HubModel>;
    type Event = NoEvent;
}

/// List the models in a repository of the hub: each quantisation, its size, and whether it fits this machine.
#[derive(Debug, Clone, Copy)]
pub struct ListHubFiles;

impl Method for ListHubFiles {
    const NAME: &'static str = "list_hub_files";
    type Params = types::ListHubFilesParams;
    type Result = types::ListHubFilesResult;
    type Event = NoEvent;
}

/// Download a model into the library; answered when the model is complete, verified and in place.
///
/// Give `repo` or `url`. A split model and its projector are one download. Received data is kept: a download resumes
/// where it stopped after a lost connection, a restart of the sidecar or the end of its host. The model is listed only
/// when all of its files are complete and verified.
///
/// A repeated request follows a running download, and resumes one that failed or was paused.
/// Cancelling the request pauses the download; cancel_download discards it.
#[derive(Debug, Clone, Copy)]
pub struct DownloadModel;

impl Method for DownloadModel {
    const NAME: &'static str = "download_model";
    type Params = types::DownloadModelParams;
    type Result = types::Download;
    type Event = types::DownloadEvent;
}

/// List downloads that are not done, and those that ended since the sidecar started; oldest first.
#[derive(Debug, Clone, Copy)]
pub struct ListDownloads;

impl Method for ListDownloads {
    const NAME: &'static str = "list_downloads";
    type Params = types::ListDownloadsParams;
    type Result = Vec<types::Download>;
    type Event = NoEvent;
}

/// Pause a download and keep the received data. Answered when the transfer has stopped.
#[derive(Debug, Clone, Copy)]
pub struct PauseDownload;

impl Method for PauseDownload {
    const NAME: &'static str = "pause_download";
    type Params = types::PauseDownloadParams;
    type Result = types::Download;
    type Event = NoEvent;
}

/// Resume a download that was paused or failed; answered immediately.
#[derive(Debug, Clone, Copy)]
pub struct ResumeDownload;

impl Method for ResumeDownload {
    const NAME: &'static str = "resume_download";
    type Params = types::ResumeDownloadParams;
    type Result = types::Download;
    type Event = NoEvent;
}

/// Cancel a download and delete the received data. A finished download is kept.
#[derive(Debug, Clone, Copy)]
pub struct CancelDownload;

impl Method for CancelDownload {
    const NAME: &'static str = "cancel_download";
    type Params = types::CancelDownloadParams;
    type Result = types::Download;
    type Event = NoEvent;
}

/// Estimate the memory that start_llama_server would use with these settings. Nothing is loaded.
///
/// The estimate comes from the engine's own allocator if it has one (llama-server and the embedded engine: about half
/// a second, then cached); otherwise it is calculated from the model's header.
#[derive(Debug, Clone, Copy)]
pub struct EstimateMemory;

impl Method for EstimateMemory {
    const NAME: &'static str = "estimate_memory";
    type Params = types::EstimateMemoryParams;
    type Result = types::MemoryEstimate;
    type Event = NoEvent;
}

/// Recommend settings for a model on this machine in its current state, each with a reason.
#[derive(Debug, Clone, Copy)]
pub struct RecommendSettings;

impl Method for RecommendSettings {
    const NAME: &'static str = "recommend_settings";
    type Params = types::RecommendSettingsParams;
    type Result = types::RecommendSettingsResult;
    type Event = NoEvent;
}

/// Read the machine's resources now.
#[derive(Debug, Clone, Copy)]
pub struct GetResources;

impl Method for GetResources {
    const NAME: &'static str = "get_resources";
    type Params = types::GetResourcesParams;
    type Result = types::Resources;
    type Event = NoEvent;
}
