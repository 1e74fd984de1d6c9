//! Every error of the contract. Generated from sidecar/contract by build/schema/generate.py; do not edit.

use serde::{Deserialize, Serialize};

/// The stable name of an error; what a host switches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorName {
    /// The JSON was not a JSON-RPC 2.0 request.
    InvalidRequest,
    /// No method has this name.
    MethodNotFound,
    /// A parameter is missing, unknown, of the wrong type or out of its range. `data` may also have: path, session_id.
    InvalidParams,
    /// A defect of the sidecar; the log has the details under `error_id`. `data` may also have: error_id, session_id.
    InternalError,
    /// The line was not one JSON value in UTF-8.
    ParseError,
    /// The request was cancelled by the host; `partial` is the text so far. `data` may also have: partial, session_id.
    Cancelled,
    /// More requests are running than the sidecar accepts concurrently. `data` may also have: queue_size, session_id.
    Overloaded,
    /// The result is longer than a line that the host reads, so it was not sent. What was asked for is done. `data` may also have: line_bytes, max_line_bytes, session_id.
    ResultTooLong,
    /// No server of this id is ready. `data` may also have: session_id.
    ServerNotRunning,
    /// A server of this id is starting or running. `data` may also have: session_id.
    ServerAlreadyRunning,
    /// The requested engine is not on this machine. `data` may also have: session_id.
    EngineNotFound,
    /// The engine did not become ready; `cause` and `log_tail` say why. `data` may also have: cause, exit_code, log_tail, session_id.
    EngineStartFailed,
    /// The engine crashed while it was in use; partial text is kept. `data` may also have: cause, exit_code, log_tail, partial, session_id.
    EngineCrashed,
    /// The engine is alive but did not answer in time. `data` may also have: partial, session_id.
    EngineUnresponsive,
    /// The prompt does not fit the model's context; nothing was cut and nothing was sent. `data` may also have: max_context, input_length, session_id.
    ContextTooLong,
    /// No model has this name, or no model file is at this path. `data` may also have: session_id.
    ModelNotFound,
    /// The file is not a usable GGUF model; `reason` says whether it is damaged or something else. `data` may also have: reason, session_id.
    ModelInvalid,
    /// A running server uses the model. `data` may also have: server_id, session_id.
    ModelInUse,
    /// The file does not belong to the sidecar, so it is not deleted. `data` may also have: session_id.
    DeleteNotAllowed,
    /// A transfer ended early, or the hub did not answer; received data is kept. `data` may also have: http_status, network_cause, retry_after_seconds, session_id.
    DownloadFailed,
    /// The file's hash is not the expected one; the file was not kept. `data` may also have: session_id.
    ChecksumMismatch,
    /// The disk is full; existing data is intact. `data` may also have: session_id.
    DiskFull,
    /// The operating system refused access. `data` may also have: session_id.
    PermissionDenied,
    /// The path is not one that this method accepts. `data` may also have: session_id.
    PathNotAllowed,
    /// Another program listens on the requested port. `data` may also have: port, session_id.
    PortInUse,
    /// No session or message has this id. `data` may also have: session_id.
    SessionNotFound,
    /// Too many messages are queued for this server. `data` may also have: queue_size, session_id.
    QueueFull,
    /// Another sidecar uses the data folder; `address` is where it serves pages, if it does. `data` may also have: data_dir, pid, address, session_id.
    DataDirLocked,
    /// The database or a file of ours could not be read or written. `data` may also have: session_id.
    StorageError,
    /// This engine, model or build does not support the request; `path` names the parameter, where there is one. `data` may also have: path, session_id.
    NotSupported,
    /// No download has this id. `data` may also have: session_id.
    DownloadNotFound,
    /// The repository is private or gated, and the hub denies this user access. `data` may also have: repo, gated, session_id.
    HubAccessDenied,
    /// Downloads from this address are not allowed: it is not https, or is inside this machine or network. `data` may also have: session_id.
    AddressNotAllowed,
    /// A running server uses the build. `data` may also have: server_id, session_id.
    EngineInUse,
    /// The archive is damaged, has no llama.cpp build for this machine, or has unexpected entries; nothing is kept. `data` may also have: session_id.
    ArchiveInvalid,
    /// A name that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,
}

impl ErrorName {
    /// The JSON-RPC error code, one for each name.
    pub const fn code(self) -> Option<i64> {
        match self {
            Self::InvalidRequest => Some(-32600),
            Self::MethodNotFound => Some(-32601),
            Self::InvalidParams => Some(-32602),
            Self::InternalError => Some(-32603),
            Self::ParseError => Some(-32700),
            Self::Cancelled => Some(-32800),
            Self::Overloaded => Some(-32001),
            Self::ResultTooLong => Some(-32002),
            Self::ServerNotRunning => Some(-32010),
            Self::ServerAlreadyRunning => Some(-32011),
            Self::EngineNotFound => Some(-32012),
            Self::EngineStartFailed => Some(-32013),
            Self::EngineCrashed => Some(-32014),
            Self::EngineUnresponsive => Some(-32015),
            Self::ContextTooLong => Some(-32016),
            Self::ModelNotFound => Some(-32017),
            Self::ModelInvalid => Some(-32018),
            Self::ModelInUse => Some(-32019),
            Self::DeleteNotAllowed => Some(-32020),
            Self::DownloadFailed => Some(-32021),
            Self::ChecksumMismatch => Some(-32022),
            Self::DiskFull => Some(-32023),
            Self::PermissionDenied => Some(-32024),
            Self::PathNotAllowed => Some(-32025),
            Self::PortInUse => Some(-32026),
            Self::SessionNotFound => Some(-32027),
            Self::QueueFull => Some(-32028),
            Self::DataDirLocked => Some(-32029),
            Self::StorageError => Some(-32030),
            Self::NotSupported => Some(-32031),
            Self::DownloadNotFound => Some(-32040),
            Self::HubAccessDenied => Some(-32041),
            Self::AddressNotAllowed => Some(-32042),
            Self::EngineInUse => Some(-32043),
            Self::ArchiveInvalid => Some(-32044),
            Self::Newer => None,
        }
    }

    /// The name that belongs to a JSON-RPC error code.
    pub const fn from_code(code: i64) -> Self {
        match code {
            -32600 => Self::InvalidRequest,
            -32601 => Self::MethodNotFound,
            -32602 => Self::InvalidParams,
            -32603 => Self::InternalError,
            -32700 => Self::ParseError,
            -32800 => Self::Cancelled,
            -32001 => Self::Overloaded,
            -32002 => Self::ResultTooLong,
            -32010 => Self::ServerNotRunning,
            -32011 => Self::ServerAlreadyRunning,
            -32012 => Self::EngineNotFound,
            -32013 => Self::EngineStartFailed,
            -32014 => Self::EngineCrashed,
            -32015 => Self::EngineUnresponsive,
            -32016 => Self::ContextTooLong,
            -32017 => Self::ModelNotFound,
            -32018 => Self::ModelInvalid,
            -32019 => Self::ModelInUse,
            -32020 => Self::DeleteNotAllowed,
            -32021 => Self::DownloadFailed,
            -32022 => Self::ChecksumMismatch,
            -32023 => Self::DiskFull,
            -32024 => Self::PermissionDenied,
            -32025 => Self::PathNotAllowed,
            -32026 => Self::PortInUse,
            -32027 => Self::SessionNotFound,
            -32028 => Self::QueueFull,
            -32029 => Self::DataDirLocked,
            -32030 => Self::StorageError,
            -32031 => Self::NotSupported,
            -32040 => Self::DownloadNotFound,
            -32041 => Self::HubAccessDenied,
            -32042 => Self::AddressNotAllowed,
            -32043 => Self::EngineInUse,
            -32044 => Self::ArchiveInvalid,
            _ => Self::Newer,
        }
    }
}
