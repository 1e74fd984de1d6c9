//! What a request can come to, besides its result.

use std::fmt;
use std::time::Duration;

use llama_sidecar_contract::ErrorObject;

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// The sidecar says so; `data.name` is what to switch on.
    Refused(Box<ErrorObject>),
    /// The sidecar ended while it worked on the request, and says so for all of them alike. It is started again.
    Ended(String),
    /// There is no sidecar, and none is on its way.
    NotRunning(String),
    /// There was no answer in this time. The request was cancelled.
    Late(Duration),
    /// The request is longer than the sidecar reads.
    TooLong { bytes: usize, limit: usize },
    /// What was said is not what the contract says.
    NotInContract(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused(error) => write!(f, "{error}"),
            Failure::Ended(cause) => write!(f, "{cause} Ask again when it is back."),
            Failure::NotRunning(cause) => write!(f, "There is no sidecar: {cause}"),
            Failure::Late(time) => {
                write!(f, "The sidecar did not answer within {} s. Its log may say why.", time.as_secs_f32())
            }
            Failure::TooLong { bytes, limit } => {
                write!(
                    f,
                    "The request has {bytes} bytes, and the sidecar reads {limit}. Hand large files over by path."
                )
            }
            Failure::NotInContract(what) => {
                write!(
                    f,
                    "The app and the sidecar do not understand each other: {what}. Install versions that belong together."
                )
            }
        }
    }
}

impl std::error::Error for Failure {}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure::NotInContract(error.to_string())
    }
}
