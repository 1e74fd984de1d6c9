//! How a sidecar is started and who is told of it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::program::Program;
use crate::shared::State;

/// How often a sidecar is asked whether it still answers.
const WATCH_EVERY: Duration = Duration::from_secs(10);

type OnState = dyn Fn(&State) + Send + Sync;
type OnLog = dyn Fn(&str) + Send + Sync;

/// How a sidecar is started and who is told of it. What is told is told on threads of the sidecar's: it must not block,
/// and must not call the sidecar.
pub struct Settings {
    pub program: Program,
    /// The app's name and version, for the sidecar's log.
    pub client: (String, String),
    /// The data folder. Default: the user's.
    pub data_dir: Option<PathBuf>,
    /// Further command-line options.
    pub options: Vec<OsString>,
    /// Variables on top of ours.
    pub variables: Vec<(OsString, OsString)>,
    /// Where it is started. Default: where we were.
    pub working_dir: Option<PathBuf>,
    /// How soon and how often it is started again.
    pub backoff: Backoff,
    /// How often it is asked whether it still answers; after three times without an answer it is killed. Default 10 s.
    pub watch_every: Duration,
    /// Told each new state.
    pub on_state: Box<OnState>,
    /// Told each line of its log.
    pub on_log: Arc<OnLog>,
}

impl Settings {
    /// What must be given; everything else is left to its default.
    pub fn new(program: Program, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            program,
            client: (name.into(), version.into()),
            data_dir: None,
            options: Vec::new(),
            variables: Vec::new(),
            working_dir: None,
            backoff: Backoff::default(),
            watch_every: WATCH_EVERY,
            on_state: Box::new(|_| {}),
            on_log: Arc::new(|_| {}),
        }
    }
}
