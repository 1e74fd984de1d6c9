//! Sends one request's events to a page, at the pace of its acknowledgements.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{Progress, Request};
use crate::failure::Failure;
use crate::pacing::{Message, Pacer};

/// For the page to acknowledge the last messages, once the answer has arrived. A page that was reloaded never does; it
/// calls `resume_session`.
const LAST_MESSAGES_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait for events before the page's acknowledgements are checked again.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Relays a request to a page. The page's commands call `acknowledge` and `resend_after` while `run` sends.
#[derive(Default)]
pub struct Relay {
    pacer: Mutex<Pacer>,
    acknowledged: Condvar,
}

impl Relay {
    /// For a page that acknowledges nothing.
    pub fn one_way() -> Self {
        Self { pacer: Mutex::new(Pacer::one_way()), acknowledged: Condvar::new() }
    }

    /// Sends messages until the page has acknowledged the last one; returns the request's result.
    ///
    /// While too many messages are unacknowledged, events merge and nothing is sent.
    pub fn run(&self, mut request: Request, send: impl Fn(Message)) -> Result<Value, Failure> {
        let mut over = false;
        while !over {
            over = self.read_events(&mut request);
            let message = self.lock().take(Instant::now());
            message.into_iter().for_each(&send);
        }
        self.send_the_rest(&send);
        request.wait()
    }

    /// The page has received all messages up to this number.
    pub fn acknowledge(&self, number: u64) {
        self.lock().acknowledge(number);
        self.acknowledged.notify_all();
    }

    /// The messages after this number again, for a page that has missed one.
    pub fn resend_after(&self, after: u64) -> Vec<Message> {
        let messages = self.lock().resend_after(after);
        self.acknowledged.notify_all();
        messages
    }

    /// Reads events until a message is due; returns whether there are no more.
    fn read_events(&self, request: &mut Request) -> bool {
        let due = self.lock().due_in(Instant::now()).unwrap_or(POLL_INTERVAL);
        let mut until = Instant::now() + due;
        loop {
            match request.next_event_within(until.saturating_duration_since(Instant::now())) {
                Progress::Event(event) => {
                    let mut pacer = self.lock();
                    pacer.push(event);
                    // The first event may make a message due earlier.
                    let due = pacer.due_in(Instant::now()).map(|due| Instant::now() + due);
                    until = due.map_or(until, |due| until.min(due));
                }
                Progress::Nothing => return false,
                Progress::Over => return true,
            }
        }
    }

    fn send_the_rest(&self, send: &impl Fn(Message)) {
        let deadline = Instant::now() + LAST_MESSAGES_TIMEOUT;
        let mut pacer = self.lock();
        while !pacer.is_delivered() && Instant::now() < deadline {
            if let Some(message) = pacer.take(Instant::now()) {
                drop(pacer);
                send(message);
                pacer = self.lock();
                continue;
            }
            let wait = pacer.due_in(Instant::now()).unwrap_or(POLL_INTERVAL);
            pacer = self.acknowledged.wait_timeout(pacer, wait).expect("the lock is not poisoned").0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pacer> {
        self.pacer.lock().expect("the lock is not poisoned")
    }
}
