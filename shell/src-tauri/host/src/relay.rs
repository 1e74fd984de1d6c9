//! Sends one request's events to a page, at the page's pace.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{Progress, Request};
use crate::failure::Failure;
use crate::pacing::{Message, Pacer};

/// For the page to see the last messages, once the answer is there. A page that was reloaded never does; it asks with
/// `resume_session`.
const LAST_LOOK: Duration = Duration::from_secs(10);

/// How long to look for events before the page's side is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A request's way to a page. The page's commands call `seen` and `again` while `run` sends.
#[derive(Default)]
pub struct Relay {
    pacer: Mutex<Pacer>,
    seen: Condvar,
}

impl Relay {
    /// For a page that does not say what it has seen.
    pub fn unchecked() -> Self {
        Self { pacer: Mutex::new(Pacer::unchecked()), seen: Condvar::new() }
    }

    /// Sends messages until the page has seen the end; returns the request's result.
    ///
    /// While the page is behind, events merge and nothing is sent.
    pub fn run(&self, mut request: Request, send: impl Fn(Message)) -> Result<Value, Failure> {
        let mut over = false;
        while !over {
            over = self.take_in(&mut request);
            let message = self.lock().take(Instant::now());
            message.into_iter().for_each(&send);
        }
        self.send_the_rest(&send);
        request.wait()
    }

    /// The page has seen all messages up to this number.
    pub fn seen(&self, number: u64) {
        self.lock().seen(number);
        self.seen.notify_all();
    }

    /// What was sent after this number, for a page that has missed a message.
    pub fn again(&self, after: u64) -> Vec<Message> {
        let messages = self.lock().again(after);
        self.seen.notify_all();
        messages
    }

    /// Waits for an event until a message is due; whether there are no more of them.
    fn take_in(&self, request: &mut Request) -> bool {
        let due = self.lock().due_in(Instant::now()).unwrap_or(LOOK_AGAIN);
        let mut until = Instant::now() + due;
        loop {
            match request.next_event_within(until.saturating_duration_since(Instant::now())) {
                Progress::Event(event) => {
                    let mut pacer = self.lock();
                    pacer.push(event);
                    // The first of them may be due sooner than the look was to last.
                    let due = pacer.due_in(Instant::now()).map(|due| Instant::now() + due);
                    until = due.map_or(until, |due| until.min(due));
                }
                Progress::Nothing => return false,
                Progress::Over => return true,
            }
        }
    }

    fn send_the_rest(&self, send: &impl Fn(Message)) {
        let deadline = Instant::now() + LAST_LOOK;
        let mut pacer = self.lock();
        while !pacer.is_level() && Instant::now() < deadline {
            if let Some(message) = pacer.take(Instant::now()) {
                drop(pacer);
                send(message);
                pacer = self.lock();
                continue;
            }
            let wait = pacer.due_in(Instant::now()).unwrap_or(LOOK_AGAIN);
            pacer = self.seen.wait_timeout(pacer, wait).expect("nobody panics with it").0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pacer> {
        self.pacer.lock().expect("nobody panics with it")
    }
}
