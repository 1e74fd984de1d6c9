//! All requests under way, by their ids and channels, from one sidecar to the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use llama_sidecar_contract::{RequestId, SidecarMessage};

use crate::exchange::Exchange;
use crate::failure::Failure;

#[derive(Default)]
pub(crate) struct InFlight {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    last_id: i64,
    answers: HashMap<i64, Arc<Exchange>>,
    channels: HashMap<String, Arc<Exchange>>,
    /// Requests that the next sidecar can resume.
    suspended: Vec<Arc<Exchange>>,
}

impl InFlight {
    /// A new id, for a request or a channel. Ids are never reused.
    pub(crate) fn new_id(&self) -> i64 {
        let mut table = self.lock();
        table.last_id += 1;
        table.last_id
    }

    /// Delivers the answer to this id, and the events of its channel, to this exchange from now on.
    pub(crate) fn register(&self, id: i64, exchange: &Arc<Exchange>) {
        exchange.set_id(id);
        let mut table = self.lock();
        table.answers.insert(id, Arc::clone(exchange));
        if let Some(channel) = &exchange.channel {
            // If the name is in use, the sidecar rejects the request, and the channel's owner keeps it.
            table.channels.entry(channel.clone()).or_insert_with(|| Arc::clone(exchange));
        }
    }

    /// Delivers a message to its exchange. A message without one belongs to a request that was given up.
    pub(crate) fn deliver(&self, message: SidecarMessage) {
        match message {
            SidecarMessage::Channel(event) => {
                let exchange = self.lock().channels.get(&event.params.channel).cloned();
                if let Some(exchange) = exchange {
                    exchange.put_event(event.params);
                    self.forget_if_over(&exchange);
                }
            }
            SidecarMessage::Response(response) => self.answer(&response.id, Ok(response.result)),
            SidecarMessage::Error(error) => {
                if let Some(id) = &error.id {
                    self.answer(id, Err(Failure::Refused(Box::new(error.error))));
                }
            }
        }
    }

    /// The sidecar has ended: all requests fail with the same cause, except those that the next sidecar can resume.
    pub(crate) fn sidecar_ended(&self, cause: &Failure) {
        let mut table = self.lock();
        let channels = table.channels.drain().map(|(_, exchange)| exchange).collect::<Vec<_>>();
        let mut all: Vec<_> = table.answers.drain().map(|(_, exchange)| exchange).collect();
        all.extend(channels.into_iter().filter(|exchange| exchange.is_subscription()));
        let (kept, lost) = all.iter().cloned().partition(|exchange| is_resumable(exchange, &all));
        // Requests of an earlier sidecar may still wait: its successor ended before it was ready.
        table.suspended.extend::<Vec<_>>(kept);
        drop(table);
        fail(lost, cause);
    }

    /// Takes the suspended requests, to resume them.
    pub(crate) fn take_suspended(&self) -> Vec<Arc<Exchange>> {
        std::mem::take(&mut self.lock().suspended)
    }

    /// Fails the suspended requests: there will be no next sidecar.
    pub(crate) fn fail_suspended(&self, cause: &Failure) {
        fail(self.take_suspended(), cause);
    }

    /// Forgets a request that no caller waits for.
    pub(crate) fn forget(&self, exchange: &Arc<Exchange>) {
        let mut table = self.lock();
        table.answers.remove(&exchange.id());
        table.suspended.retain(|other| !Arc::ptr_eq(other, exchange));
        if let Some(channel) = &exchange.channel
            && table.channels.get(channel).is_some_and(|other| Arc::ptr_eq(other, exchange))
        {
            table.channels.remove(channel);
        }
    }

    fn answer(&self, id: &RequestId, outcome: Result<serde_json::Value, Failure>) {
        let RequestId::Number(id) = id else { return };
        let exchange = self.lock().answers.remove(id);
        if let Some(exchange) = exchange {
            exchange.put_answer(outcome);
            self.forget_if_over(&exchange);
        }
    }

    fn forget_if_over(&self, exchange: &Arc<Exchange>) {
        if exchange.is_over() {
            self.forget(exchange);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("the lock is not poisoned")
    }
}

/// An answer can be resumed if it is its session's only one: `resume_session` does not say which of several it resumes.
fn is_resumable(exchange: &Exchange, all: &[Arc<Exchange>]) -> bool {
    let session = |one: &Exchange| one.turn_session().map(str::to_lowercase);
    exchange.resume_point().is_some() && all.iter().filter(|other| session(other) == session(exchange)).count() == 1
}

fn fail(exchanges: Vec<Arc<Exchange>>, cause: &Failure) {
    for exchange in exchanges {
        exchange.put_answer(Err(cause.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn begin(in_flight: &InFlight, method: &str, session: &str) -> (i64, Arc<Exchange>) {
        let id = in_flight.new_id();
        let params = json!({"session_id": session}).as_object().unwrap().clone();
        let exchange = Arc::new(Exchange::new(method, &params, Some(format!("c{id}"))));
        in_flight.register(id, &exchange);
        (id, exchange)
    }

    fn deliver(in_flight: &InFlight, message: Value) {
        in_flight.deliver(SidecarMessage::from_line(message.to_string().as_bytes()).unwrap());
    }

    fn token(in_flight: &InFlight, id: i64) {
        let params = json!({"channel": format!("c{id}"), "seq": 1, "event": {"status": "token", "chunk": "x"}});
        deliver(in_flight, json!({"jsonrpc": "2.0", "method": "channel", "params": params}));
    }

    fn ended() -> Failure {
        Failure::Ended("It has ended.".into())
    }

    fn is_empty(in_flight: &InFlight) -> bool {
        let table = in_flight.lock();
        table.answers.is_empty() && table.channels.is_empty() && table.suspended.is_empty()
    }

    #[test]
    fn answers_reach_their_requests_and_leave_no_entry() {
        let in_flight = InFlight::default();
        let (one, first) = begin(&in_flight, "send_message", "s");
        let (two, second) = begin(&in_flight, "list_models", "s");
        deliver(&in_flight, json!({"jsonrpc": "2.0", "id": two, "result": [2]}));
        deliver(&in_flight, json!({"jsonrpc": "2.0", "id": 99, "result": "unknown"}));
        token(&in_flight, one);
        let error =
            json!({"code": -32800, "message": "m", "data": {"name": "CANCELLED", "retryable": false, "hint": ""}});
        deliver(&in_flight, json!({"jsonrpc": "2.0", "id": one, "error": error}));
        assert_eq!(second.outcome(), Some(Ok(json!([2]))));
        assert!(matches!(first.outcome(), Some(Err(Failure::Refused(_)))));
        assert!(is_empty(&in_flight));
    }

    #[test]
    fn when_the_sidecar_ends_all_requests_fail_except_an_answer_that_has_begun() {
        let in_flight = InFlight::default();
        let (begun, kept) = begin(&in_flight, "send_message", "s");
        let (_, queued) = begin(&in_flight, "send_message", "t");
        let (_, other) = begin(&in_flight, "list_models", "");
        let (subscription, events) = begin(&in_flight, "subscribe", "");
        deliver(&in_flight, json!({"jsonrpc": "2.0", "id": subscription, "result": {}}));
        token(&in_flight, begun);
        in_flight.sidecar_ended(&ended());
        assert_eq!(kept.outcome(), None);
        for lost in [queued, other, events] {
            assert_eq!(lost.outcome(), Some(Err(ended())), "{}", lost.method);
        }
        assert_eq!(in_flight.take_suspended().len(), 1);
        assert!(is_empty(&in_flight));
    }

    #[test]
    fn suspended_requests_wait_for_the_next_sidecar_that_becomes_ready() {
        let in_flight = InFlight::default();
        let (one, first) = begin(&in_flight, "send_message", "s");
        token(&in_flight, one);
        in_flight.sidecar_ended(&ended());
        in_flight.sidecar_ended(&ended());
        assert_eq!((first.outcome(), in_flight.take_suspended().len()), (None, 1));
    }

    #[test]
    fn two_answers_of_one_session_are_not_resumed() {
        let in_flight = InFlight::default();
        let (one, first) = begin(&in_flight, "send_message", "s");
        let (_, second) = begin(&in_flight, "send_message", "S");
        token(&in_flight, one);
        in_flight.sidecar_ended(&ended());
        assert_eq!((first.outcome(), second.outcome()), (Some(Err(ended())), Some(Err(ended()))));
    }

    #[test]
    fn suspended_requests_fail_when_there_is_no_next_sidecar() {
        let in_flight = InFlight::default();
        let (one, first) = begin(&in_flight, "send_message", "s");
        token(&in_flight, one);
        in_flight.sidecar_ended(&ended());
        in_flight.fail_suspended(&ended());
        assert_eq!(first.outcome(), Some(Err(ended())));
        assert!(is_empty(&in_flight));
    }
}
