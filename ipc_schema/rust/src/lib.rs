#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
// An event is matched once and dropped; boxing the large ones would complicate the host's code more than it saves.
#![allow(clippy::large_enum_variant)]

pub mod errors;
pub mod events;
pub mod methods;
pub mod types;
pub mod wire;

pub use errors::ErrorName;
pub use events::{is_terminal, merge_of, Merge};
pub use methods::{Method, CONTRACT_HASH, CONTRACT_VERSION};
pub use wire::{
    Cancel, ChannelEvent, ChannelNotification, ErrorData, ErrorObject, ErrorResponse, NoEvent,
    Request, RequestId, Response, SidecarMessage,
};
