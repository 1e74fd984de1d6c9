//! Pages that come and go, in front of a real sidecar.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

use llama_sidecar_host::{Asked, Bridge, Failure, Message, Sidecar, page};
use serde_json::{Value, json};

use crate::place::{LONG, Place, real, signal, until};

/// A page's request on its way: its events in order, and its answer.
struct Asking {
    events: Arc<Mutex<Vec<Value>>>,
    answer: Receiver<Result<Value, Failure>>,
    end: Receiver<()>,
}

impl Asking {
    fn has_seen(&self, status: &str, at_least: usize) -> bool {
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

fn ask(bridge: &Arc<Bridge>, number: i64, channel: Option<&str>, method: &str, arguments: Value) -> Asking {
    let (method, params) = page::request(method, arguments.as_object().unwrap().clone()).unwrap();
    let asked = Asked { number: Some(number), method, params, channel: channel.map(str::to_owned) };
    let events: Arc<Mutex<Vec<Value>>> = Arc::default();
    let (to_events, wants, bridge) = (Arc::clone(&events), channel.is_some(), Arc::clone(bridge));
    let ((tell, answer), (ended, end)) = (mpsc::channel(), mpsc::channel());
    thread::spawn(move || {
        let send = |message: Message| to_events.lock().unwrap().extend(message.events.into_iter().map(|one| one.event));
        bridge.ask(asked, wants.then_some(&send), |outcome| tell.send(outcome).unwrap());
        ended.send(()).unwrap_or_default();
    });
    Asking { events, answer, end }
}

fn start_server(bridge: &Arc<Bridge>) {
    ask(bridge, 1, None, "start_llama_server", json!({"ctxSize": 4096})).answer().unwrap();
}

#[test]
fn a_page_asks_under_its_own_names_and_cancels_by_its_own_number() {
    let place = Place::with_engine();
    let bridge = bridge(&place);
    assert_eq!(bridge.welcome().unwrap()["contract_version"], "1.0");
    start_server(&bridge);

    let held = ask(&bridge, 7, Some("c7"), "send_message", json!({"message": "tokens=50 hold-after=5"}));
    assert!(held.has_seen("token", 1));
    bridge.cancel(7);
    let cancelled = held.answer().unwrap_err().to_wire();
    assert_eq!(cancelled["data"]["name"], "CANCELLED");
    assert!(held.has_seen("cancelled", 1));

    let servers = ask(&bridge, 8, Some("c8"), "subscribe", json!({"topics": ["servers"]}));
    assert_eq!(servers.answer().unwrap()["channel"], "c8");
    assert!(servers.has_seen("server", 1));
    assert_eq!(ask(&bridge, 9, None, "unsubscribe", json!({"channel": "c8"})).answer().unwrap()["found"], true);
    assert!(servers.has_seen("done", 1));
    servers.end.recv_timeout(LONG).unwrap();
    bridge.stop();
}

#[test]
fn a_subscription_ends_with_its_sidecar_and_says_so() {
    let place = Place::with_engine();
    let bridge = bridge(&place);
    let first = bridge.welcome().unwrap()["pid"].as_u64().unwrap();
    let resources =
        ask(&bridge, 1, Some("c1"), "subscribe", json!({"topics": ["resources"], "options": {"interval_ms": 100}}));
    assert!(resources.has_seen("resources", 1));
    signal(u32::try_from(first).unwrap(), "KILL");
    resources.end.recv_timeout(LONG).unwrap();
    let last = resources.events.lock().unwrap().last().cloned().unwrap();
    assert_eq!(last["error"]["data"]["name"], "SIDECAR_ENDED");
    assert!(until(LONG, || bridge.welcome().is_ok_and(|welcome| welcome["pid"] != first)));
    bridge.stop();
}

#[test]
fn when_a_page_is_reloaded_its_subscriptions_end_and_its_answers_go_on() {
    let place = Place::with_engine();
    let bridge = bridge(&place);
    start_server(&bridge);
    let session = "00000000-0000-4000-8000-000000000001";
    let message = json!({"message": "tokens=200 delay=0.005", "sessionId": session});
    let answer = ask(&bridge, 2, Some("c2"), "send_message", message);
    let servers = ask(&bridge, 3, Some("c3"), "subscribe", json!({"topics": ["servers"]}));
    assert!(answer.has_seen("token", 1) && servers.has_seen("server", 1));

    bridge.page_has_left();
    servers.end.recv_timeout(LONG).unwrap();

    // The next page uses the same names.
    let again = ask(&bridge, 3, Some("c3"), "subscribe", json!({"topics": ["servers"]}));
    assert!(again.has_seen("server", 1));
    let resumed = ask(&bridge, 2, Some("c2"), "resume_session", json!({"sessionId": session, "afterSeq": 0}));
    let whole = resumed.answer().unwrap();
    assert_eq!(answer.answer().unwrap()["content"], whole["content"]);
    let told = resumed.events.lock().unwrap().iter().filter_map(|event| event["chunk"].as_str()).collect::<String>();
    assert_eq!(told.trim_end(), whole["content"].as_str().unwrap().trim_end());
    assert_eq!(ask(&bridge, 4, None, "unsubscribe", json!({"channel": "c3"})).answer().unwrap()["found"], true);
    bridge.stop();
}
