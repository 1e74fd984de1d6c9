//! What the supervisor and the clients share: the sidecar's state and its connection.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use llama_sidecar_contract::types::InitializeResult;
use serde_json::Value;

use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::in_flight::InFlight;
use crate::queue::{Queue, Refused};

/// The sidecar's state.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// The first start is under way.
    Starting,
    /// It answers.
    Ready(Arc<InitializeResult>),
    /// It has ended, and is restarted after `after`, for the `tries`-th time in a row.
    Restarting { cause: Cause, tries: usize, after: Duration },
    /// It is not restarted until `Sidecar::start_again` is called.
    Failed(Cause),
    /// It was stopped permanently.
    Stopped,
}

/// Why a sidecar has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// One sentence.
    pub message: String,
    /// The last lines of its log.
    pub log_tail: Vec<String>,
}

/// When a request times out, and after how long that is.
pub(crate) type Deadline = Option<(Instant, Duration)>;

pub(crate) struct Shared {
    pub(crate) in_flight: InFlight,
    inner: Mutex<Inner>,
    changed: Condvar,
}

struct Inner {
    state: State,
    connection: Option<Connection>,
}

/// The queue of a sidecar that is ready, and the longest line that it reads, in bytes.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) queue: Arc<Queue>,
    pub(crate) limit: usize,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let inner = Inner { state: State::Starting, connection: None };
        Self { in_flight: InFlight::default(), inner: Mutex::new(inner), changed: Condvar::new() }
    }

    pub(crate) fn state(&self) -> State {
        self.lock().state.clone()
    }

    /// Sets the state. Only a sidecar that is ready has a connection.
    pub(crate) fn set(&self, state: State, connection: Option<Connection>) {
        let mut inner = self.lock();
        (inner.state, inner.connection) = (state, connection);
        self.changed.notify_all();
    }

    /// A sidecar in state `Failed` is restarted: requests wait for it from now on.
    pub(crate) fn mark_starting(&self) {
        let mut inner = self.lock();
        if matches!(inner.state, State::Failed(_)) {
            inner.state = State::Starting;
        }
    }

    /// Makes requests wait for the next sidecar.
    pub(crate) fn disconnect(&self) {
        self.lock().connection = None;
    }

    /// Waits until it is stopped, for `time` at most; returns whether it is.
    pub(crate) fn wait_stopped(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut inner = self.lock();
        while inner.state != State::Stopped {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            inner = self.changed.wait_timeout(inner, left).expect("the lock is not poisoned").0;
        }
        true
    }

    /// The connection to the sidecar; waits while one is starting.
    pub(crate) fn connection(&self, late: Deadline) -> Result<Connection, Failure> {
        let mut inner = self.lock();
        loop {
            if let Some(connection) = &inner.connection {
                return Ok(connection.clone());
            }
            match &inner.state {
                State::Failed(cause) => return Err(Failure::NotRunning(cause.message.clone())),
                State::Stopped => return Err(Failure::NotRunning("it was stopped.".into())),
                State::Starting | State::Ready(_) | State::Restarting { .. } => {}
            }
            let Some((deadline, time)) = late else {
                inner = self.changed.wait(inner).expect("the lock is not poisoned");
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::Late(time));
            }
            inner = self.changed.wait_timeout(inner, left).expect("the lock is not poisoned").0;
        }
    }

    /// Sends a request to the sidecar that is ready.
    pub(crate) fn send(
        &self,
        id: i64,
        exchange: &Arc<Exchange>,
        request: &Value,
        late: Deadline,
    ) -> Result<(), Failure> {
        let connection = self.connection(late)?;
        let text = request.to_string();
        if text.len() > connection.limit {
            return Err(Failure::TooLong { bytes: text.len(), limit: connection.limit });
        }
        self.in_flight.register(id, exchange);
        connection.queue.push(text + "\n", late.map(|(at, _)| at)).map_err(|refused| {
            self.in_flight.forget(exchange);
            match (refused, late) {
                (Refused::Late, Some((_, time))) => Failure::Late(time),
                _ => Failure::Ended("The sidecar has ended.".into()),
            }
        })
    }

    /// Sends a line that has no answer, unless there is no sidecar or it does not read.
    pub(crate) fn send_if_ready(&self, text: String, time: Duration) {
        let connection = self.lock().connection.clone();
        if let Some(connection) = connection {
            // The supervisor's pings detect a sidecar that does not read.
            let _ = connection.queue.push(text, Some(Instant::now() + time));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("the lock is not poisoned")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn in_time(time: Duration) -> Deadline {
        Some((Instant::now() + time, time))
    }

    fn connection(limit: usize) -> Connection {
        Connection { queue: Arc::default(), limit }
    }

    #[test]
    fn a_request_waits_for_a_starting_sidecar_until_its_deadline() {
        let shared = Shared::new();
        let time = Duration::from_millis(20);
        assert_eq!(shared.connection(in_time(time)).err(), Some(Failure::Late(time)));
        thread::scope(|scope| {
            let waits = scope.spawn(|| shared.connection(None).is_ok());
            let restarting = Cause { message: "It has ended.".into(), log_tail: Vec::new() };
            shared.set(State::Restarting { cause: restarting, tries: 1, after: time }, None);
            shared.set(State::Starting, Some(connection(100)));
            assert!(waits.join().unwrap());
        });
    }

    #[test]
    fn a_request_fails_immediately_with_the_cause_if_no_sidecar_is_starting() {
        let shared = Shared::new();
        shared.set(State::Failed(Cause { message: "It is not there.".into(), log_tail: Vec::new() }), None);
        assert_eq!(shared.connection(None).err(), Some(Failure::NotRunning("It is not there.".into())));
        shared.set(State::Stopped, None);
        assert!(matches!(shared.connection(None).err(), Some(Failure::NotRunning(_))));
    }

    #[test]
    fn a_request_that_is_too_long_is_not_sent() {
        let shared = Shared::new();
        shared.set(State::Starting, Some(connection(10)));
        let exchange = Arc::new(Exchange::new("x", &serde_json::Map::new(), None));
        let refused = shared.send(1, &exchange, &"x".repeat(9).into(), None);
        assert_eq!(refused, Err(Failure::TooLong { bytes: 11, limit: 10 }));
        assert_eq!(shared.send(1, &exchange, &"x".repeat(8).into(), None), Ok(()));
    }
}
