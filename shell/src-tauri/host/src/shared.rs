//! What the supervisor and the clients both know: how the sidecar is, and where its lines go.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use llama_sidecar_contract::types::InitializeResult;
use serde_json::Value;

use crate::desk::Desk;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::queue::{Queue, Refused};

/// How the sidecar is.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// The first start is under way.
    Starting,
    /// It answers.
    Ready(Arc<InitializeResult>),
    /// It has ended, and is started again after a while, for the `tries`-th time in a row.
    Restarting { cause: Cause, tries: usize, after: Duration },
    /// It is not started again until somebody asks for it.
    Failed(Cause),
    /// It was stopped, for good.
    Stopped,
}

/// Why a sidecar is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// In a sentence.
    pub message: String,
    /// The last lines of its log.
    pub log_tail: Vec<String>,
}

/// When a request is given up, and after how long that is.
pub(crate) type Late = Option<(Instant, Duration)>;

pub(crate) struct Shared {
    pub(crate) desk: Desk,
    now: Mutex<Now>,
    changed: Condvar,
}

struct Now {
    state: State,
    line: Option<Line>,
}

/// The way to a sidecar that is ready, and the longest line that it reads.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) queue: Arc<Queue>,
    pub(crate) limit: usize,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let now = Now { state: State::Starting, line: None };
        Self { desk: Desk::default(), now: Mutex::new(now), changed: Condvar::new() }
    }

    pub(crate) fn state(&self) -> State {
        self.lock().state.clone()
    }

    /// A new state. Only a sidecar that is ready has a line.
    pub(crate) fn set(&self, state: State, line: Option<Line>) {
        let mut now = self.lock();
        (now.state, now.line) = (state, line);
        self.changed.notify_all();
    }

    /// A sidecar that was given up is on its way again: who asks from now on waits for it.
    pub(crate) fn take_up(&self) {
        let mut now = self.lock();
        if matches!(now.state, State::Failed(_)) {
            now.state = State::Starting;
        }
    }

    /// From now on requests wait for the next sidecar.
    pub(crate) fn hang_up(&self) {
        self.lock().line = None;
    }

    /// Waits until it is stopped, for so long at most; whether it is.
    pub(crate) fn wait_stopped(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut now = self.lock();
        while now.state != State::Stopped {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            now = self.changed.wait_timeout(now, left).expect("nobody panics with it").0;
        }
        true
    }

    /// The line to the sidecar; waits while one is on its way.
    pub(crate) fn line(&self, late: Late) -> Result<Line, Failure> {
        let mut now = self.lock();
        loop {
            if let Some(line) = &now.line {
                return Ok(line.clone());
            }
            match &now.state {
                State::Failed(cause) => return Err(Failure::NotRunning(cause.message.clone())),
                State::Stopped => return Err(Failure::NotRunning("it was stopped.".into())),
                State::Starting | State::Ready(_) | State::Restarting { .. } => {}
            }
            let Some((deadline, time)) = late else {
                now = self.changed.wait(now).expect("nobody panics with it");
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::Late(time));
            }
            now = self.changed.wait_timeout(now, left).expect("nobody panics with it").0;
        }
    }

    /// Sends a request to the sidecar that is ready.
    pub(crate) fn send(&self, id: i64, exchange: &Arc<Exchange>, request: &Value, late: Late) -> Result<(), Failure> {
        let line = self.line(late)?;
        let text = request.to_string();
        if text.len() > line.limit {
            return Err(Failure::TooLong { bytes: text.len(), limit: line.limit });
        }
        self.desk.register(id, exchange);
        line.queue.push(text + "\n", late.map(|(at, _)| at)).map_err(|refused| {
            self.desk.forget(exchange);
            match (refused, late) {
                (Refused::Late, Some((_, time))) => Failure::Late(time),
                _ => Failure::Ended("The sidecar has ended.".into()),
            }
        })
    }

    /// Sends a line that nobody waits for, unless there is no sidecar or it does not read.
    pub(crate) fn send_aside(&self, text: String, time: Duration) {
        let line = self.lock().line.clone();
        if let Some(line) = line {
            // Who does not read this within the time is being watched for it.
            let _ = line.queue.push(text, Some(Instant::now() + time));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().expect("nobody panics with it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn in_time(time: Duration) -> Late {
        Some((Instant::now() + time, time))
    }

    fn line(limit: usize) -> Line {
        Line { queue: Arc::default(), limit }
    }

    #[test]
    fn a_request_waits_for_a_sidecar_on_its_way_and_no_longer_than_asked() {
        let shared = Shared::new();
        let time = Duration::from_millis(20);
        assert_eq!(shared.line(in_time(time)).err(), Some(Failure::Late(time)));
        thread::scope(|scope| {
            let waits = scope.spawn(|| shared.line(None).is_ok());
            let restarting = Cause { message: "It has ended.".into(), log_tail: Vec::new() };
            shared.set(State::Restarting { cause: restarting, tries: 1, after: time }, None);
            shared.set(State::Starting, Some(line(100)));
            assert!(waits.join().unwrap());
        });
    }

    #[test]
    fn where_no_sidecar_is_on_its_way_a_request_fails_at_once_with_the_cause() {
        let shared = Shared::new();
        shared.set(State::Failed(Cause { message: "It is not there.".into(), log_tail: Vec::new() }), None);
        assert_eq!(shared.line(None).err(), Some(Failure::NotRunning("It is not there.".into())));
        shared.set(State::Stopped, None);
        assert!(matches!(shared.line(None).err(), Some(Failure::NotRunning(_))));
    }

    #[test]
    fn a_request_that_is_too_long_is_not_sent() {
        let shared = Shared::new();
        shared.set(State::Starting, Some(line(10)));
        let exchange = Arc::new(Exchange::new("x", &serde_json::Map::new(), None));
        let refused = shared.send(1, &exchange, &"x".repeat(9).into(), None);
        assert_eq!(refused, Err(Failure::TooLong { bytes: 11, limit: 10 }));
        assert_eq!(shared.send(1, &exchange, &"x".repeat(8).into(), None), Ok(()));
    }
}
