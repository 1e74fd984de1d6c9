//! The lines on the wire: JSON-RPC 2.0 envelopes.
//!
//! Owns how a method's types are wrapped and unwrapped. Knows nothing of processes, sockets or what a method does.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::errors::ErrorName;
use crate::events::is_terminal;
use crate::methods::Method;
use crate::types::Remedy;

/// `"jsonrpc": "2.0"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum JsonRpc {
    /// The only version there is.
    #[default]
    #[serde(rename = "2.0")]
    V2,
}

/// The id of a request: chosen by the host, echoed as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RequestId {
    /// At most 2^53 away from 0.
    Number(i64),
    /// Any text.
    Text(String),
}

impl From<i64> for RequestId {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for RequestId {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for RequestId {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request<P> {
    pub jsonrpc: JsonRpc,
    pub id: RequestId,
    pub method: String,
    pub params: P,
}

impl<P: Serialize> Request<P> {
    /// A request for a method.
    pub fn new<M: Method<Params = P>>(id: impl Into<RequestId>, params: P) -> Self {
        Self {
            jsonrpc: JsonRpc::V2,
            id: id.into(),
            method: M::NAME.to_owned(),
            params,
        }
    }

    /// The line to write, with its end.
    ///
    /// # Panics
    /// If a parameter is a `Newer` value, which has no JSON form.
    pub fn to_line(&self) -> String {
        line(self)
    }
}

/// The notification that cancels a request under way. The request is still answered, with `CANCELLED`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel(pub RequestId);

impl Cancel {
    /// The line to write, with its end.
    pub fn to_line(&self) -> String {
        line(&serde_json::json!({
            "jsonrpc": "2.0",
            "method": "$/cancel",
            "params": { "id": self.0 },
        }))
    }
}

fn line(message: &impl Serialize) -> String {
    let mut text = serde_json::to_string(message).expect("a `Newer` value cannot be sent");
    text.push('\n');
    text
}

/// A line from the sidecar. Read one with `line.parse()` or as bytes with [`SidecarMessage::from_line`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SidecarMessage {
    /// An event of a channel.
    Channel(ChannelNotification),
    /// A request failed.
    Error(ErrorResponse),
    /// A request succeeded.
    Response(Response),
}

impl SidecarMessage {
    /// Read a line, with or without its end.
    pub fn from_line(line: &[u8]) -> serde_json::Result<Self> {
        let message: Value = serde_json::from_slice(line)?;
        // By hand, since an untagged enum would only report that no variant matched.
        if message.get("method").is_some() {
            ChannelNotification::deserialize(message).map(Self::Channel)
        } else if message.get("error").is_some() {
            ErrorResponse::deserialize(message).map(Self::Error)
        } else if message.get("result").is_some() {
            Response::deserialize(message).map(Self::Response)
        } else {
            Err(serde_json::Error::custom(
                "neither an event nor an answer, or a batch of them",
            ))
        }
    }
}

impl FromStr for SidecarMessage {
    type Err = serde_json::Error;

    fn from_str(line: &str) -> serde_json::Result<Self> {
        Self::from_line(line.as_bytes())
    }
}

/// A request succeeded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    pub jsonrpc: JsonRpc,
    pub id: RequestId,
    pub result: Value,
}

impl Response {
    /// The result, where `M` is the method that the request was for.
    pub fn result<M: Method>(&self) -> serde_json::Result<M::Result> {
        M::Result::deserialize(&self.result)
    }
}

/// A request failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorResponse {
    pub jsonrpc: JsonRpc,
    /// `None` if the sidecar could not read the request's id.
    pub id: Option<RequestId>,
    pub error: ErrorObject,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorObject {
    pub code: i64,
    pub message: String,
    pub data: ErrorData,
}

impl fmt::Display for ErrorObject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        if self.data.hint.is_empty() {
            return Ok(());
        }
        write!(formatter, " {}", self.data.hint)
    }
}

impl std::error::Error for ErrorObject {}

/// What a host can do about an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorData {
    pub name: ErrorName,
    /// Whether the same request may succeed later without a change.
    pub retryable: bool,
    /// What to do next, in one sentence for people.
    pub hint: String,
    /// What a host can do or offer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<Remedy>,
    /// Further data of this error, such as `partial` or `log_tail`.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// An event of a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelNotification {
    pub jsonrpc: JsonRpc,
    pub method: ChannelMethod,
    pub params: ChannelEvent,
}

/// The only notification that the sidecar sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelMethod {
    /// `channel`.
    Channel,
}

/// An event, its number and its channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelEvent {
    pub channel: String,
    /// Counts up without gaps, from 1; after resume_session from `after_seq` + 1.
    pub seq: u64,
    pub event: Value,
}

impl ChannelEvent {
    /// The event, where `M` is the method that the channel was opened with.
    pub fn event<M: Method>(&self) -> serde_json::Result<M::Event> {
        M::Event::deserialize(&self.event)
    }

    /// Whether it is the last event of its channel.
    pub fn is_last(&self) -> bool {
        let status = self.event.get("status").and_then(Value::as_str);
        status.is_some_and(is_terminal)
    }
}

/// The event of a method that does not stream: there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoEvent {}
