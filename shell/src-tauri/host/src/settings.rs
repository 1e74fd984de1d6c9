//! How a sidecar is started and watched, and what receives its states and log.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::program::Program;
use crate::shared::State;

/// How often the supervisor pings the sidecar.
const PING_INTERVAL: Duration = Duration::from_secs(10);

type OnState = dyn Fn(&State) + Send + Sync;
type OnLog = dyn Fn(&str) + Send + Sync;

/// How a sidecar is started and watched. `on_state` and `on_log` are called on the sidecar's threads: they must not
/// block or call the sidecar.
pub struct Settings {
    pub program: Program,
    /// The app's name and version, for the sidecar's log.
    pub client: (String, String),
    /// The data folder. Default: the sidecar's own, in the user's profile.
    pub data_dir: Option<PathBuf>,
    /// Further command-line options.
    pub options: Vec<OsString>,
    /// Environment variables added to ours.
    pub variables: Vec<(OsString, OsString)>,
    /// The working directory. Default: this process's.
    pub working_dir: Option<PathBuf>,
    /// How soon and how often it is restarted.
    pub backoff: Backoff,
    /// How often it is pinged; after three pings in a row without an answer it is killed. Default 10 s.
    pub ping_interval: Duration,
    /// Called with each new state.
    pub on_state: Box<OnState>,
    /// Called with each line of its log.
    pub on_log: Arc<OnLog>,
}

impl Settings {
    /// Settings for this program and app; everything else has its default.
    pub fn new(program: Program, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            program,
            client: (name.into(), version.into()),
            data_dir: None,
            options: Vec::new(),
            variables: Vec::new(),
            working_dir: None,
            backoff: Backoff::default(),
            ping_interval: PING_INTERVAL,
            on_state: Box::new(|_| {}),
            on_log: Arc::new(|_| {}),
        }
    }
}
