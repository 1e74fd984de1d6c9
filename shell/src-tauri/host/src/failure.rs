//! What a request can come to, besides its result.

use std::fmt;
use std::time::Duration;

use llama_sidecar_contract::ErrorObject;
use serde_json::{Value, json};

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

/// JSON-RPC's code for what is nobody's fault in particular.
const INTERNAL_ERROR: i64 = -32603;

impl Failure {
    /// As an error of the contract, for a page: the sidecar's own as it is, ours under names that it does not use.
    pub fn to_wire(&self) -> Value {
        let (name, retryable) = match self {
            Failure::Refused(error) => return serde_json::to_value(error).unwrap_or_else(|_| json!(error.to_string())),
            Failure::Ended(_) => ("SIDECAR_ENDED", true),
            Failure::NotRunning(_) => ("SIDECAR_NOT_RUNNING", false),
            Failure::Late(_) => ("SIDECAR_LATE", true),
            Failure::TooLong { .. } => ("REQUEST_TOO_LONG", false),
            Failure::NotInContract(_) => ("NOT_IN_CONTRACT", false),
        };
        let remedies = if retryable { json!([{"action": "retry", "params": {}}]) } else { json!([]) };
        let data = json!({"name": name, "retryable": retryable, "hint": "", "remedies": remedies});
        json!({"code": INTERNAL_ERROR, "message": self.to_string(), "data": data})
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_told_the_sidecars_errors_as_they_are_and_ours_in_their_form() {
        let error = json!({"code": -32016, "message": "Too long.", "data":
            {"name": "CONTEXT_TOO_LONG", "retryable": false, "hint": "Shorten it.", "remedies": [{"action": "change_params", "params": {"names": ["message"]}}],
             "max_context": 8}});
        let failure = Failure::Refused(serde_json::from_value(error.clone()).unwrap());
        assert_eq!(failure.to_wire(), error);
        let ours = Failure::Ended("The sidecar has ended.".into()).to_wire();
        assert_eq!(ours["data"]["name"], "SIDECAR_ENDED");
        assert!(serde_json::from_value::<ErrorObject>(ours).is_ok());
    }
}
