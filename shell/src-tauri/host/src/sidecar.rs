//! The sidecar as an app uses it: start, send requests, stop.

use std::io;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::client::Client;
use crate::settings::Settings;
use crate::shared::{Shared, State};
use crate::supervisor::{STOPPED_WITHIN, Signal, Supervisor};

/// A sidecar that is kept running. Dropping it stops it.
pub struct Sidecar {
    shared: Arc<Shared>,
    signals: Sender<Signal>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Sidecar {
    /// Starts it and returns immediately; requests wait until it is ready.
    ///
    /// # Errors
    /// The system has no thread for it. A program that cannot be started is reported as a state.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let shared = Arc::new(Shared::new());
        let (supervisor, signals) = Supervisor::new(settings, Arc::clone(&shared));
        let thread = thread::Builder::new().name("sidecar supervisor".into()).spawn(|| supervisor.run())?;
        Ok(Self { shared, signals, thread: Mutex::new(Some(thread)) })
    }

    /// A client. It outlives the sidecar; all its requests fail then.
    pub fn client(&self) -> Client {
        Client { shared: Arc::clone(&self.shared) }
    }

    /// The current state.
    pub fn state(&self) -> State {
        self.shared.state()
    }

    /// Restarts a sidecar whose retry budget was used up, or skips the wait before its next start.
    pub fn start_again(&self) {
        self.shared.mark_starting();
        // A sidecar that was stopped stays stopped.
        let _ = self.signals.send(Signal::StartAgain);
    }

    /// Stops it, and returns when its process has ended: usually within half a second, after 8 s at the latest. Call it
    /// whichever way the app ends, on any thread except those that call `on_state` and `on_log`. Safe to call twice.
    pub fn stop(&self) {
        // If this fails, the supervisor has already ended.
        let _ = self.signals.send(Signal::Stop);
        let stopped = self.shared.wait_stopped(STOPPED_WITHIN);
        let thread = self.thread.lock().expect("the lock is not poisoned").take();
        if let (true, Some(thread)) = (stopped, thread) {
            // The supervisor catches its own panics.
            let _ = thread.join();
        }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.stop();
    }
}
