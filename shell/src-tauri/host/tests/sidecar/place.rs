//! A temporary folder, a sidecar that uses it, and the states and log that the sidecar reports.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use llama_sidecar_host::{Backoff, Client, Program, Settings, Sidecar, State};

/// The longest wait; a test that reaches it fails.
pub const LONG: Duration = Duration::from_secs(60);

const PREPARE: &str = "
import sys
from pathlib import Path
from tests import fake_engine
from tests.app.talking import prepare
folder = Path(sys.argv[1])
prepare(folder / 'data', fake_engine.install(folder / 'llama.cpp'))
";

/// The Python that runs sidecars of this tree; `make test-desktop` names it.
pub fn python() -> PathBuf {
    env::var_os("LLAMA_SIDECAR_DESKTOP_PYTHON").expect("run these with `make test-desktop`").into()
}

pub fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap().to_owned()
}

/// A temporary folder. When it is dropped, no process may still use it.
pub struct Place {
    pub folder: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        let folder = env::temp_dir().join(format!("host-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        Self { folder }
    }

    /// With a data folder whose config names the fake engine.
    pub fn with_engine() -> Self {
        let place = Self::new();
        let mut prepare = Command::new(python());
        prepare.args(["-c", PREPARE]).arg(&place.folder).current_dir(tree());
        assert!(prepare.status().unwrap().success());
        place
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The processes that name this folder in their command line or environment.
    pub fn processes(&self) -> Vec<u32> {
        let folder = self.folder.to_str().unwrap();
        let names = |file: PathBuf| fs::read(file).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(folder));
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| ["cmdline", "environ"].iter().any(|file| names(format!("/proc/{pid}/{file}").into())))
            .collect()
    }

    /// The sidecar among them.
    pub fn sidecar(&self) -> u32 {
        let is_sidecar = |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains("\0-m\0sidecar\0--host-pid\0")
        };
        self.processes().into_iter().find(is_sidecar).expect("it runs")
    }

    pub fn is_quiet_within(&self, time: Duration) -> bool {
        until(time, || self.processes().is_empty())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let quiet = self.is_quiet_within(LONG);
        let _ = fs::remove_dir_all(&self.folder);
        assert!(quiet || thread::panicking(), "processes are left: {:?}", self.processes());
    }
}

/// A sidecar from this tree.
pub fn real(place: &Place) -> Settings {
    let program = Program { path: python(), arguments: vec!["-m".into(), "sidecar".into()] };
    Settings { working_dir: Some(tree()), data_dir: Some(place.data()), ..settings(program) }
}

/// A fake sidecar with these faults.
pub fn fake(place: &Place, faults: &[&str]) -> Settings {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sidecar/fake_sidecar.py");
    let mut program = Program { path: python(), arguments: vec![script.into()] };
    program.arguments.extend(faults.iter().map(Into::into));
    let mut settings = settings(program);
    settings.variables.push(("PLACE".into(), place.folder.clone().into()));
    settings
}

pub fn settings(program: Program) -> Settings {
    let soon = [Duration::from_millis(10); 3];
    Settings { backoff: Backoff::new(&soon, LONG), ..Settings::new(program, "test", "1") }
}

/// A sidecar whose states and log are recorded.
pub struct Watched {
    pub sidecar: Sidecar,
    pub client: Client,
    pub states: Receiver<State>,
    pub log: Arc<Mutex<Vec<String>>>,
}

impl Watched {
    pub fn start(mut settings: Settings) -> Self {
        let (sender, states) = mpsc::channel();
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let to_log = Arc::clone(&log);
        settings.on_state = Box::new(move |state| sender.send(state.clone()).unwrap_or_default());
        settings.on_log = Arc::new(move |line| to_log.lock().unwrap().push(line.to_owned()));
        let sidecar = Sidecar::start(settings).unwrap();
        Self { client: sidecar.client(), sidecar, states, log }
    }

    pub fn next_state(&self) -> State {
        self.states.recv_timeout(LONG).unwrap()
    }

    /// Waits until it is ready; returns its process id.
    pub fn ready(&self) -> u32 {
        loop {
            if let State::Ready(handshake) = self.next_state() {
                return u32::try_from(handshake.pid).unwrap();
            }
        }
    }

    pub fn has_logged(&self, text: &str) -> bool {
        until(LONG, || self.log.lock().unwrap().iter().any(|line| line.contains(text)))
    }
}

pub fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap().success());
}

pub fn until(time: Duration, condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + time;
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}
