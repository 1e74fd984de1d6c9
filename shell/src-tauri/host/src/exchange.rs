//! One request under way: its unread events and its answer.
//!
//! The thread that reads the sidecar's stdout adds to it and never waits; the caller reads at its own pace.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use llama_sidecar_contract::methods::{EditMessage, RegenerateMessage, ResumeSession, SendMessage, Subscribe};
use llama_sidecar_contract::{ChannelEvent, Method};
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::unread::{Merged, Unread, is_last, status};

/// The methods whose requests follow an answer of a session.
const TURNS: [&str; 4] = [SendMessage::NAME, RegenerateMessage::NAME, EditMessage::NAME, ResumeSession::NAME];

/// What `Exchange::next` returns.
pub(crate) enum Next {
    Event(Merged),
    /// No event came before the deadline.
    Nothing,
    /// All events were read, and the answer has arrived.
    Over,
}

pub(crate) struct Exchange {
    pub(crate) method: String,
    /// The channel of its events, if it has any.
    pub(crate) channel: Option<String>,
    session_id: Option<String>,
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    id: i64,
    unread: Unread,
    last_seq: u64,
    /// Whether generation has begun: from then on the sidecar can resume the answer after a restart.
    begun: bool,
    channel_over: bool,
    outcome: Option<Result<Value, Failure>>,
}

impl Exchange {
    pub(crate) fn new(method: &str, params: &Map<String, Value>, channel: Option<String>) -> Self {
        let session_id = params.get("session_id").and_then(Value::as_str).map(str::to_owned);
        Self { method: method.into(), channel, session_id, inner: Mutex::default(), changed: Condvar::new() }
    }

    pub(crate) fn id(&self) -> i64 {
        self.lock().id
    }

    pub(crate) fn set_id(&self, id: i64) {
        self.lock().id = id;
    }

    pub(crate) fn is_subscription(&self) -> bool {
        self.method == Subscribe::NAME
    }

    /// The session, if the request follows one of its answers.
    pub(crate) fn turn_session(&self) -> Option<&str> {
        self.session_id.as_deref().filter(|_| TURNS.contains(&self.method.as_str()))
    }

    /// The session whose answer it follows and the last `seq` of it, if a restarted sidecar can resume the answer.
    pub(crate) fn resume_point(&self) -> Option<(&str, u64)> {
        let inner = self.lock();
        let known = inner.begun && inner.outcome.is_none() && self.channel.is_some();
        self.turn_session().filter(|_| known).map(|session| (session, inner.last_seq))
    }

    pub(crate) fn put_event(&self, event: ChannelEvent) {
        let mut inner = self.lock();
        let last = is_last(&event.event);
        // After a restart an event may come twice; the last event is kept whatever its number.
        if inner.channel_over || (event.seq <= inner.last_seq && !last) {
            return;
        }
        inner.last_seq = event.seq.max(inner.last_seq + 1);
        inner.begun |= status(&event.event) != "queued";
        inner.channel_over = last;
        let merged = Merged::one(inner.last_seq, event.event);
        inner.unread.push(merged);
        self.changed.notify_all();
    }

    /// Sets the answer. Only the first one counts, except that a subscription can fail after it was answered.
    pub(crate) fn put_answer(&self, outcome: Result<Value, Failure>) {
        let mut inner = self.lock();
        if inner.outcome.is_none() || (self.is_subscription() && outcome.is_err() && !inner.channel_over) {
            inner.outcome = Some(outcome);
        }
        self.changed.notify_all();
    }

    pub(crate) fn outcome(&self) -> Option<Result<Value, Failure>> {
        self.lock().outcome.clone()
    }

    /// Whether neither events nor an answer will follow.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over(self.is_subscription())
    }

    /// Waits for the next event until the deadline.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Next {
        let mut inner = self.lock();
        loop {
            if let Some(event) = inner.unread.pop() {
                return Next::Event(event);
            }
            if inner.is_over(self.is_subscription()) {
                return Next::Over;
            }
            inner = match self.wait(inner, deadline) {
                Some(inner) => inner,
                None => return Next::Nothing,
            };
        }
    }

    /// Waits for the answer until the deadline; `None` when it has passed. Events stay unread.
    pub(crate) fn wait_answer(&self, deadline: Option<Instant>) -> Option<Result<Value, Failure>> {
        let mut inner = self.lock();
        loop {
            if let Some(outcome) = &inner.outcome {
                return Some(outcome.clone());
            }
            inner = self.wait(inner, deadline)?;
        }
    }

    fn wait<'a>(&self, inner: MutexGuard<'a, Inner>, deadline: Option<Instant>) -> Option<MutexGuard<'a, Inner>> {
        let Some(deadline) = deadline else { return Some(self.changed.wait(inner).expect("the lock is not poisoned")) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        Some(self.changed.wait_timeout(inner, left).expect("the lock is not poisoned").0)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("the lock is not poisoned")
    }
}

impl Inner {
    fn is_over(&self, subscription: bool) -> bool {
        match &self.outcome {
            Some(Ok(_)) => !subscription || self.channel_over,
            Some(Err(_)) => true,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn exchange(method: &str) -> Exchange {
        let params = json!({"session_id": "s"}).as_object().unwrap().clone();
        Exchange::new(method, &params, Some("c".into()))
    }

    fn event(seq: u64, event: Value) -> ChannelEvent {
        ChannelEvent { channel: "c".into(), seq, event }
    }

    #[test]
    fn events_are_read_before_the_answer() {
        let exchange = exchange("send_message");
        exchange.put_event(event(1, json!({"status": "token", "chunk": "a"})));
        exchange.put_answer(Ok(json!("result")));
        assert!(matches!(exchange.next(None), Next::Event(_)));
        assert!(matches!(exchange.next(None), Next::Over));
        assert_eq!(exchange.outcome(), Some(Ok(json!("result"))));
    }

    #[test]
    fn a_subscription_continues_after_its_answer_until_its_channel_ends() {
        let exchange = exchange("subscribe");
        exchange.put_answer(Ok(json!({})));
        assert!(matches!(exchange.next(Some(Instant::now())), Next::Nothing));
        exchange.put_event(event(1, json!({"status": "done"})));
        assert!(matches!(exchange.next(None), Next::Event(_)));
        assert!(matches!(exchange.next(None), Next::Over));
    }

    #[test]
    fn a_subscription_that_was_answered_still_fails_when_the_sidecar_ends() {
        let exchange = exchange("subscribe");
        exchange.put_answer(Ok(json!({})));
        exchange.put_answer(Err(Failure::Ended("gone".into())));
        assert!(matches!(exchange.next(None), Next::Over));
        assert_eq!(exchange.outcome(), Some(Err(Failure::Ended("gone".into()))));
    }

    #[test]
    fn only_an_answer_that_has_begun_is_resumed() {
        let turn = exchange("send_message");
        assert_eq!(turn.resume_point(), None);
        turn.put_event(event(1, json!({"status": "queued", "position": 0})));
        assert_eq!(turn.resume_point(), None);
        turn.put_event(event(2, json!({"status": "token", "chunk": "a"})));
        assert_eq!(turn.resume_point(), Some(("s", 2)));
        turn.put_answer(Ok(json!({})));
        assert_eq!(turn.resume_point(), None);
        let download = exchange("download_model");
        download.put_event(event(1, json!({"status": "downloading"})));
        assert_eq!(download.resume_point(), None);
    }

    #[test]
    fn events_from_before_a_restart_are_not_repeated_and_the_last_event_is_kept() {
        let turn = exchange("send_message");
        for seq in [1, 2, 1, 2] {
            turn.put_event(event(seq, json!({"status": "token", "chunk": seq.to_string()})));
        }
        turn.put_event(event(2, json!({"status": "error"})));
        turn.put_event(event(3, json!({"status": "error"})));
        turn.put_answer(Err(Failure::Ended("x".into())));
        let mut events = Vec::new();
        while let Next::Event(event) = turn.next(None) {
            events.push((event.first_seq, event.seq, status(&event.event).to_owned()));
        }
        assert_eq!(events, [(1, 2, "token".into()), (3, 3, "error".into())]);
    }
}
