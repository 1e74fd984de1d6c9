//! All requests under way, by their ids and channels, from one sidecar to the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use llama_sidecar_contract::{RequestId, SidecarMessage};

use crate::exchange::Exchange;
use crate::failure::Failure;

#[derive(Default)]
pub(crate) struct Desk {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    last_id: i64,
    answers: HashMap<i64, Arc<Exchange>>,
    channels: HashMap<String, Arc<Exchange>>,
    /// Those that the next sidecar can go on with.
    set_aside: Vec<Arc<Exchange>>,
}

impl Desk {
    /// A new id, for a request or a channel. None is used twice.
    pub(crate) fn new_id(&self) -> i64 {
        let mut table = self.lock();
        table.last_id += 1;
        table.last_id
    }

    /// From now on what comes for this id, and on its channel, is this exchange's.
    pub(crate) fn register(&self, id: i64, exchange: &Arc<Exchange>) {
        exchange.set_id(id);
        let mut table = self.lock();
        table.answers.insert(id, Arc::clone(exchange));
        if let Some(channel) = &exchange.channel {
            // Where the name is taken the sidecar refuses the request, and whoever has it keeps listening.
            table.channels.entry(channel.clone()).or_insert_with(|| Arc::clone(exchange));
        }
    }

    /// Gives a line to whom it belongs. What belongs to nobody was given up meanwhile.
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

    /// The sidecar has ended: all fail with the same words, but those that the next one can go on with.
    pub(crate) fn end(&self, cause: &Failure) {
        let mut table = self.lock();
        let channels = table.channels.drain().map(|(_, exchange)| exchange).collect::<Vec<_>>();
        let mut all: Vec<_> = table.answers.drain().map(|(_, exchange)| exchange).collect();
        all.extend(channels.into_iter().filter(|exchange| exchange.is_subscription()));
        let (kept, lost) = all.iter().cloned().partition(|exchange| is_resumed(exchange, &all));
        // Those of an earlier one may still wait: its successor has ended before it was ready.
        table.set_aside.extend::<Vec<_>>(kept);
        drop(table);
        fail(lost, cause);
    }

    /// Those that were set aside, to be gone on with.
    pub(crate) fn take_set_aside(&self) -> Vec<Arc<Exchange>> {
        std::mem::take(&mut self.lock().set_aside)
    }

    /// There will be no next sidecar.
    pub(crate) fn abandon(&self, cause: &Failure) {
        fail(self.take_set_aside(), cause);
    }

    /// Nobody waits for it any more.
    pub(crate) fn forget(&self, exchange: &Arc<Exchange>) {
        let mut table = self.lock();
        table.answers.remove(&exchange.id());
        table.set_aside.retain(|other| !Arc::ptr_eq(other, exchange));
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
        self.table.lock().expect("nobody panics with it")
    }
}

/// A session's answer can be gone on with where it is the only one: of several, nobody could say which comes back.
fn is_resumed(exchange: &Exchange, all: &[Arc<Exchange>]) -> bool {
    let session = |one: &Exchange| one.turn_of().map(str::to_lowercase);
    exchange.resumes().is_some() && all.iter().filter(|other| session(other) == session(exchange)).count() == 1
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

    fn begin(desk: &Desk, method: &str, session: &str) -> (i64, Arc<Exchange>) {
        let id = desk.new_id();
        let params = json!({"session_id": session}).as_object().unwrap().clone();
        let exchange = Arc::new(Exchange::new(method, &params, Some(format!("c{id}"))));
        desk.register(id, &exchange);
        (id, exchange)
    }

    fn deliver(desk: &Desk, message: Value) {
        desk.deliver(SidecarMessage::from_line(message.to_string().as_bytes()).unwrap());
    }

    fn token(desk: &Desk, id: i64) {
        let params = json!({"channel": format!("c{id}"), "seq": 1, "event": {"status": "token", "chunk": "x"}});
        deliver(desk, json!({"jsonrpc": "2.0", "method": "channel", "params": params}));
    }

    fn ended() -> Failure {
        Failure::Ended("It has ended.".into())
    }

    fn is_empty(desk: &Desk) -> bool {
        let table = desk.lock();
        table.answers.is_empty() && table.channels.is_empty() && table.set_aside.is_empty()
    }

    #[test]
    fn answers_find_their_requests_and_nothing_is_left_of_them() {
        let desk = Desk::default();
        let (one, first) = begin(&desk, "send_message", "s");
        let (two, second) = begin(&desk, "list_models", "s");
        deliver(&desk, json!({"jsonrpc": "2.0", "id": two, "result": [2]}));
        deliver(&desk, json!({"jsonrpc": "2.0", "id": 99, "result": "nobody's"}));
        token(&desk, one);
        let error =
            json!({"code": -32800, "message": "m", "data": {"name": "CANCELLED", "retryable": false, "hint": ""}});
        deliver(&desk, json!({"jsonrpc": "2.0", "id": one, "error": error}));
        assert_eq!(second.outcome(), Some(Ok(json!([2]))));
        assert!(matches!(first.outcome(), Some(Err(Failure::Refused(_)))));
        assert!(is_empty(&desk));
    }

    #[test]
    fn when_the_sidecar_ends_all_fail_alike_but_an_answer_that_has_begun() {
        let desk = Desk::default();
        let (begun, kept) = begin(&desk, "send_message", "s");
        let (_, queued) = begin(&desk, "send_message", "t");
        let (_, other) = begin(&desk, "list_models", "");
        let (subscription, events) = begin(&desk, "subscribe", "");
        deliver(&desk, json!({"jsonrpc": "2.0", "id": subscription, "result": {}}));
        token(&desk, begun);
        desk.end(&ended());
        assert_eq!(kept.outcome(), None);
        for lost in [queued, other, events] {
            assert_eq!(lost.outcome(), Some(Err(ended())), "{}", lost.method);
        }
        assert_eq!(desk.take_set_aside().len(), 1);
        assert!(is_empty(&desk));
    }

    #[test]
    fn what_was_set_aside_waits_for_the_first_sidecar_that_gets_ready() {
        let desk = Desk::default();
        let (one, first) = begin(&desk, "send_message", "s");
        token(&desk, one);
        desk.end(&ended());
        desk.end(&ended());
        assert_eq!((first.outcome(), desk.take_set_aside().len()), (None, 1));
    }

    #[test]
    fn of_two_answers_of_a_session_none_is_resumed() {
        let desk = Desk::default();
        let (one, first) = begin(&desk, "send_message", "s");
        let (_, second) = begin(&desk, "send_message", "S");
        token(&desk, one);
        desk.end(&ended());
        assert_eq!((first.outcome(), second.outcome()), (Some(Err(ended())), Some(Err(ended()))));
    }

    #[test]
    fn without_a_next_sidecar_what_was_set_aside_fails_as_well() {
        let desk = Desk::default();
        let (one, first) = begin(&desk, "send_message", "s");
        token(&desk, one);
        desk.end(&ended());
        desk.abandon(&ended());
        assert_eq!(first.outcome(), Some(Err(ended())));
        assert!(is_empty(&desk));
    }
}
