//! One request under way: the events that nobody has read yet, and the answer.
//!
//! The thread that reads the sidecar puts things in and never waits; whoever asked takes them out when it likes.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use llama_sidecar_contract::methods::{EditMessage, RegenerateMessage, ResumeSession, SendMessage, Subscribe};
use llama_sidecar_contract::{ChannelEvent, Method};
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::unread::{Merged, Unread, is_last, status};

/// The methods whose requests follow an answer of a session.
const TURNS: [&str; 4] = [SendMessage::NAME, RegenerateMessage::NAME, EditMessage::NAME, ResumeSession::NAME];

/// What one look for something new came to.
pub(crate) enum Next {
    Event(Merged),
    /// There was nothing until the deadline.
    Nothing,
    /// All events were read, and the answer is here.
    Over,
}

pub(crate) struct Exchange {
    pub(crate) method: String,
    /// Where its events come, if they are wanted.
    pub(crate) channel: Option<String>,
    session_id: Option<String>,
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Default)]
struct Now {
    id: i64,
    unread: Unread,
    last_seq: u64,
    /// Whether the model has begun: from then on the sidecar knows the answer after a restart as well.
    begun: bool,
    channel_over: bool,
    outcome: Option<Result<Value, Failure>>,
}

impl Exchange {
    pub(crate) fn new(method: &str, params: &Map<String, Value>, channel: Option<String>) -> Self {
        let session_id = params.get("session_id").and_then(Value::as_str).map(str::to_owned);
        Self { method: method.into(), channel, session_id, now: Mutex::default(), changed: Condvar::new() }
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

    /// The session, where it follows an answer of one.
    pub(crate) fn turn_of(&self) -> Option<&str> {
        self.session_id.as_deref().filter(|_| TURNS.contains(&self.method.as_str()))
    }

    /// The session whose answer it follows and the last event of it, where a restarted sidecar can tell the rest.
    pub(crate) fn resumes(&self) -> Option<(&str, u64)> {
        let now = self.lock();
        let known = now.begun && now.outcome.is_none() && self.channel.is_some();
        self.turn_of().filter(|_| known).map(|session| (session, now.last_seq))
    }

    pub(crate) fn put_event(&self, event: ChannelEvent) {
        let mut now = self.lock();
        let last = is_last(&event.event);
        // After a restart an event may come a second time; the end must come whatever its number.
        if now.channel_over || (event.seq <= now.last_seq && !last) {
            return;
        }
        now.last_seq = event.seq.max(now.last_seq + 1);
        now.begun |= status(&event.event) != "queued";
        now.channel_over = last;
        let merged = Merged::one(now.last_seq, event.event);
        now.unread.push(merged);
        self.changed.notify_all();
    }

    /// The answer. Only the first one counts, but that a subscription can fail after it was answered.
    pub(crate) fn put_answer(&self, outcome: Result<Value, Failure>) {
        let mut now = self.lock();
        if now.outcome.is_none() || (self.is_subscription() && outcome.is_err() && !now.channel_over) {
            now.outcome = Some(outcome);
        }
        self.changed.notify_all();
    }

    pub(crate) fn outcome(&self) -> Option<Result<Value, Failure>> {
        self.lock().outcome.clone()
    }

    /// Whether nothing more comes.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over(self.is_subscription())
    }

    /// The next event; waits for it until the deadline.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Next {
        let mut now = self.lock();
        loop {
            if let Some(event) = now.unread.pop() {
                return Next::Event(event);
            }
            if now.is_over(self.is_subscription()) {
                return Next::Over;
            }
            now = match self.wait(now, deadline) {
                Some(now) => now,
                None => return Next::Nothing,
            };
        }
    }

    /// The answer; waits for it until the deadline. Events are left where they are.
    pub(crate) fn wait_answer(&self, deadline: Option<Instant>) -> Option<Result<Value, Failure>> {
        let mut now = self.lock();
        loop {
            if let Some(outcome) = &now.outcome {
                return Some(outcome.clone());
            }
            now = self.wait(now, deadline)?;
        }
    }

    fn wait<'a>(&self, now: MutexGuard<'a, Now>, deadline: Option<Instant>) -> Option<MutexGuard<'a, Now>> {
        let Some(deadline) = deadline else { return Some(self.changed.wait(now).expect("nobody panics with it")) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        Some(self.changed.wait_timeout(now, left).expect("nobody panics with it").0)
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().expect("nobody panics with it")
    }
}

impl Now {
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
    fn events_come_before_the_answer_that_came_after_them() {
        let exchange = exchange("send_message");
        exchange.put_event(event(1, json!({"status": "token", "chunk": "a"})));
        exchange.put_answer(Ok(json!("result")));
        assert!(matches!(exchange.next(None), Next::Event(_)));
        assert!(matches!(exchange.next(None), Next::Over));
        assert_eq!(exchange.outcome(), Some(Ok(json!("result"))));
    }

    #[test]
    fn a_subscription_goes_on_after_its_answer_until_its_channel_ends() {
        let exchange = exchange("subscribe");
        exchange.put_answer(Ok(json!({})));
        assert!(matches!(exchange.next(Some(Instant::now())), Next::Nothing));
        exchange.put_event(event(1, json!({"status": "done"})));
        assert!(matches!(exchange.next(None), Next::Event(_)));
        assert!(matches!(exchange.next(None), Next::Over));
    }

    #[test]
    fn a_subscription_fails_with_the_sidecar_even_though_it_was_answered() {
        let exchange = exchange("subscribe");
        exchange.put_answer(Ok(json!({})));
        exchange.put_answer(Err(Failure::Ended("gone".into())));
        assert!(matches!(exchange.next(None), Next::Over));
        assert_eq!(exchange.outcome(), Some(Err(Failure::Ended("gone".into()))));
    }

    #[test]
    fn only_an_answer_that_has_begun_is_resumed() {
        let turn = exchange("send_message");
        assert_eq!(turn.resumes(), None);
        turn.put_event(event(1, json!({"status": "queued", "position": 0})));
        assert_eq!(turn.resumes(), None);
        turn.put_event(event(2, json!({"status": "token", "chunk": "a"})));
        assert_eq!(turn.resumes(), Some(("s", 2)));
        turn.put_answer(Ok(json!({})));
        assert_eq!(turn.resumes(), None);
        let download = exchange("download_model");
        download.put_event(event(1, json!({"status": "downloading"})));
        assert_eq!(download.resumes(), None);
    }

    #[test]
    fn what_was_told_before_a_restart_is_not_told_twice_and_the_end_always_is() {
        let turn = exchange("send_message");
        for seq in [1, 2, 1, 2] {
            turn.put_event(event(seq, json!({"status": "token", "chunk": seq.to_string()})));
        }
        turn.put_event(event(2, json!({"status": "error"})));
        turn.put_event(event(3, json!({"status": "error"})));
        turn.put_answer(Err(Failure::Ended("x".into())));
        let mut seen = Vec::new();
        while let Next::Event(event) = turn.next(None) {
            seen.push((event.first_seq, event.seq, status(&event.event).to_owned()));
        }
        assert_eq!(seen, [(1, 2, "token".into()), (3, 3, "error".into())]);
    }
}
