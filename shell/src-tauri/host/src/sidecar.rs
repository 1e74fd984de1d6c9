//! The sidecar as an app has it: started, asked, stopped.

use std::io;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::client::Client;
use crate::settings::Settings;
use crate::shared::{Shared, State};
use crate::supervisor::{STOPPED, Signal, Supervisor};

/// A sidecar that is kept running. Dropped, it is stopped.
pub struct Sidecar {
    shared: Arc<Shared>,
    signals: Sender<Signal>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Sidecar {
    /// Starts it, and returns at once; requests wait until it is ready.
    ///
    /// # Errors
    /// The system gives us no thread. That the program can not be started is told as a state.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let shared = Arc::new(Shared::new());
        let (supervisor, signals) = Supervisor::new(settings, Arc::clone(&shared));
        let thread = thread::Builder::new().name("sidecar supervisor".into()).spawn(|| supervisor.run())?;
        Ok(Self { shared, signals, thread: Mutex::new(Some(thread)) })
    }

    /// Who asks it. Outlives the sidecar, and then all its requests fail.
    pub fn client(&self) -> Client {
        Client { shared: Arc::clone(&self.shared) }
    }

    /// How it is.
    pub fn state(&self) -> State {
        self.shared.state()
    }

    /// Has a sidecar that was given up started again, and one that waits for its next start start now.
    pub fn start_again(&self) {
        self.shared.take_up();
        // Whoever was stopped stays so.
        let _ = self.signals.send(Signal::StartAgain);
    }

    /// Stops it, and returns when it is gone: usually within half a second, after 8 s at the latest. For every way an
    /// app can end; safe on any thread but those that tell states and log lines, and safe to call twice.
    pub fn stop(&self) {
        // Where nobody listens it has stopped already.
        let _ = self.signals.send(Signal::Stop);
        let stopped = self.shared.wait_stopped(STOPPED);
        let thread = self.thread.lock().expect("nobody panics with it").take();
        if let (true, Some(thread)) = (stopped, thread) {
            // Its panics were taken care of; it has nothing to say.
            let _ = thread.join();
        }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.stop();
    }
}
