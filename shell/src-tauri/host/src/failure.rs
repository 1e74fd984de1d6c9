//! The errors of a request.

use std::fmt;
use std::time::Duration;

use llama_sidecar_contract::ErrorObject;
use serde_json::{Value, json};

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// The sidecar answered with an error; switch on `data.name`.
    Refused(Box<ErrorObject>),
    /// The sidecar ended during the request; all requests under way get the same cause. It is restarted.
    Ended(String),
    /// No sidecar runs, and none is starting.
    NotRunning(String),
    /// The request timed out after this time, and was cancelled.
    Late(Duration),
    /// The request is longer than the lines that the sidecar reads.
    TooLong { bytes: usize, limit: usize },
    /// A message does not match the contract.
    NotInContract(String),
}

/// JSON-RPC's code for an internal error.
const INTERNAL_ERROR: i64 = -32603;

impl Failure {
    /// The failure as an error of the contract, for a page. The sidecar's errors stay as they are; the host's have names
    /// that the contract does not use.
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
            Failure::Ended(cause) => write!(f, "{cause} Try again after its restart."),
            Failure::NotRunning(cause) => write!(f, "The sidecar is not running: {cause}"),
            Failure::Late(time) => {
                write!(f, "The sidecar did not answer within {} s. Check its log for the cause.", time.as_secs_f32())
            }
            Failure::TooLong { bytes, limit } => {
                write!(
                    f,
                    "The request has {bytes} bytes, but the sidecar reads at most {limit}. Pass large files by path."
                )
            }
            Failure::NotInContract(what) => {
                write!(f, "The app and the sidecar are incompatible: {what}. Install matching versions.")
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
    fn a_page_gets_the_sidecars_errors_unchanged_and_the_hosts_in_the_same_form() {
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
