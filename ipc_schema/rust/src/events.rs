//! How events merge. Generated from sidecar/contract by build/schema/generate.py; do not edit.

/// What becomes of an unread event when the next one comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// It stays as it is.
    Keep,
    /// A newer one of its status right behind it replaces it.
    Progress,
    /// A newer one of its subject and key replaces it, and counts it in `dropped`. The key is a JSON pointer into the
    /// event; empty where there is one thing only.
    Newest(&'static str, &'static str),
    /// The text of the next one of its status is appended to its own, in this member.
    Text(&'static str),
    /// The member is a list; beyond so many items the oldest are dropped, and counted in `dropped`.
    Lines(&'static str, usize),
}

/// How events of a status merge; `None` for one that is newer than this crate.
pub fn merge_of(status: &str) -> Option<Merge> {
    Some(match status {
        "server" => Merge::Newest("server", "/server/server_id"),
        "server_removed" => Merge::Newest("server", "/server_id"),
        "resources" => Merge::Newest("resources", ""),
        "logs" => Merge::Lines("entries", 2000),
        "session" => Merge::Newest("session", "/session/session_id"),
        "session_deleted" => Merge::Newest("session", "/session_id"),
        "model" => Merge::Newest("model", "/model/name"),
        "model_removed" => Merge::Newest("model", "/name"),
        "download" => Merge::Newest("download", "/download/download_id"),
        "engines" => Merge::Newest("engines", ""),
        "done" => Merge::Keep,
        "queued" => Merge::Progress,
        "planning" => Merge::Progress,
        "starting" => Merge::Progress,
        "loading" => Merge::Progress,
        "warming" => Merge::Progress,
        "error" => Merge::Keep,
        "cancelled" => Merge::Keep,
        "downloading" => Merge::Progress,
        "verifying" => Merge::Progress,
        "unpacking" => Merge::Progress,
        "proving" => Merge::Progress,
        "prefill" => Merge::Progress,
        "reasoning" => Merge::Text("reasoning"),
        "token" => Merge::Text("chunk"),
        "tool_call" => Merge::Keep,
        "working" => Merge::Progress,
        "checking" => Merge::Progress,
        "paused" => Merge::Progress,
        _ => return None,
    })
}

/// Whether an event of this status is the last one of its channel.
pub fn is_terminal(status: &str) -> bool {
    matches!(status, "done" | "error" | "cancelled")
}
