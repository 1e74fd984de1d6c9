//! Pages that come and go while a real sidecar stays.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

use llama_sidecar_host::contract::CONTRACT_VERSION;
use llama_sidecar_host::{Bridge, Failure, Message, PageRequest, Sidecar, page};
use serde_json::{Value, json};

use crate::place::{LONG, Place, real, signal, until};

/// A page's request under way: its events in order, and its answer.
struct PageCall {
    events: Arc<Mutex<Vec<Value>>>,
    answer: Receiver<Result<Value, Failure>>,
    end: Receiver<()>,
}

impl PageCall {
    fn received(&self, status: &str, at_least: usize) -> bool {
        until(LONG, || self.count(status) >= at_least)
    }

    fn count(&self, status: &str) -> usize {
        self.events.lock().unwrap().iter().filter(|event| event["status"] == status).count()
    }

    fn answer(&self) -> Result<Value, Failure> {
        self.answer.recv_timeout(LONG).unwrap()
    }
}

fn bridge(place: &Place) -> Arc<Bridge> {
    Arc::new(Bridge::new(Sidecar::start(real(place)).unwrap()))
}

fn call(bridge: &Arc<Bridge>, number: i64, channel: Option<&str>, method: &str, arguments: Value) -> PageCall {
    let (method, params) = page::request(method, arguments.as_object().unwrap().clone()).unwrap();
    let request = PageRequest { number: Some(number), method, params, channel: channel.map(str::to_owned) };
    let events: Arc<Mutex<Vec<Value>>> = Arc::default();
    let (to_events, has_channel, bridge) = (Arc::clone(&events), channel.is_some(), Arc::clone(bridge));
    let ((answered, answer), (ended, end)) = (mpsc::channel(), mpsc::channel());
    thread::spawn(move || {
        let send = |message: Message| to_events.lock().unwrap().extend(message.events.into_iter().map(|one| one.event));
        bridge.call(request, has_channel.then_some(&send), |outcome| answered.send(outcome).unwrap());
        ended.send(()).unwrap_or_default();
    });
    PageCall { events, answer, end }
}

fn start_server(bridge: &Arc<Bridge>) {
    call(bridge, 1, None, "start_llama_server", json!({"ctxSize": 4096})).answer().unwrap();
}

#[test]
fn a_page_uses_its_own_channel_names_and_cancels_by_its_own_number() {
    let place = Place::with_engine();
    let bridge = bridge(&place);
    assert_eq!(bridge.handshake().unwrap()["contract_version"], CONTRACT_VERSION);
    start_server(&bridge);

    let held = call(&bridge, 7, Some("c7"), "send_message", json!({"message": "tokens=50 hold-after=5"}));
    assert!(held.received("token", 1));
    bridge.cancel(7);
    let cancelled = held.answer().unwrap_err().to_wire();
    assert_eq!(cancelled["data"]["name"], "CANCELLED");
    assert!(held.received("cancelled", 1));

    let servers = call(&bridge, 8, Some("c8"), "subscribe", json!({"topics": ["servers"]}));
    assert_eq!(servers.answer().unwrap()["channel"], "c8");
    assert!(servers.received("server", 1));
    assert_eq!(call(&bridge, 9, None, "unsubscribe", json!({"channel": "c8"})).answer().unwrap()["found"], true);
    assert!(servers.received("done", 1));
    servers.end.recv_timeout(LONG).unwrap();
    bridge.stop();
}

#[test]
fn a_subscription_ends_with_an_error_when_its_sidecar_ends() {
    let place = Place::with_engine();
    let bridge = bridge(&place);
    let first = bridge.handshake().unwrap()["pid"].as_u64().unwrap();
    let resources =
        call(&bridge, 1, Some("c1"), "subscribe", json!({"topics": ["resources"], "options": {"interval_ms": 100}}));
    assert!(resources.received("resources", 1));
    signal(u32::try_from(first).unwrap(), "KILL");
    resources.end.recv_timeout(LONG).unwrap();
    let last = resources.events.lock().unwrap().last().cloned().unwrap();
    assert_eq!(last["error"]["data"]["name"], "SIDECAR_ENDED");
    assert!(until(LONG, || bridge.handshake().is_ok_and(|handshake| handshake["pid"] != first)));
    bridge.stop();
}

#[test]
fn when_a_page_is_reloaded_its_subscriptions_end_and_its_answers_continue() {
    let place = Place::with_engine();
    let bridge = bridge(&place);
    start_server(&bridge);
    let session = "00000000-0000-4000-8000-000000000001";
    let message = json!({"message": "tokens=200 delay=0.005", "sessionId": session});
    let answer = call(&bridge, 2, Some("c2"), "send_message", message);
    let servers = call(&bridge, 3, Some("c3"), "subscribe", json!({"topics": ["servers"]}));
    assert!(answer.received("token", 1) && servers.received("server", 1));

    bridge.page_has_left();
    servers.end.recv_timeout(LONG).unwrap();

    // The next page uses the same names.
    let again = call(&bridge, 3, Some("c3"), "subscribe", json!({"topics": ["servers"]}));
    assert!(again.received("server", 1));
    let resumed = call(&bridge, 2, Some("c2"), "resume_session", json!({"sessionId": session, "afterSeq": 0}));
    let whole = resumed.answer().unwrap();
    assert_eq!(answer.answer().unwrap()["content"], whole["content"]);
    let text = resumed.events.lock().unwrap().iter().filter_map(|event| event["chunk"].as_str()).collect::<String>();
    assert_eq!(text.trim_end(), whole["content"].as_str().unwrap().trim_end());
    assert_eq!(call(&bridge, 4, None, "unsubscribe", json!({"channel": "c3"})).answer().unwrap()["found"], true);
    bridge.stop();
}
