//! Carries out a page's requests.
//!
//! Owns the requests that a page has under way, by the page's own numbers and names: pages come and go, and each counts
//! from 1 again, while the sidecar stays. Knows nothing of webviews.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use llama_sidecar_contract::Method;
use llama_sidecar_contract::methods::{Subscribe, Unsubscribe};
use serde_json::{Map, Value, json};

use crate::client::{Client, Request, default_deadline};
use crate::failure::Failure;
use crate::pacing::Message;
use crate::relay::Relay;
use crate::shared::State;
use crate::sidecar::Sidecar;
use crate::unread::Merged;

/// How long a page's `initialize` waits until the sidecar is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

type Cancel = Box<dyn Fn() + Send + Sync>;

/// A page's request, allowed by `page::request`.
pub struct PageRequest {
    /// The page's number for it, by which the page cancels it.
    pub number: Option<i64>,
    pub method: &'static str,
    pub params: Map<String, Value>,
    /// The page's name for the events' channel.
    pub channel: Option<String>,
}

/// The pages' access to a sidecar. All methods except `page_has_left` and `start_again` block.
pub struct Bridge {
    sidecar: Sidecar,
    client: Client,
    page: Mutex<Page>,
}

/// What the current page has under way.
#[derive(Default)]
struct Page {
    /// Counts pages: an earlier page's requests may still be ending.
    visit: u64,
    cancels: HashMap<i64, Cancel>,
    /// The sidecar's channel names of its subscriptions, by the page's names.
    subscriptions: HashMap<String, String>,
}

impl Bridge {
    /// A bridge that owns the sidecar.
    pub fn new(sidecar: Sidecar) -> Self {
        Self { client: sidecar.client(), sidecar, page: Mutex::default() }
    }

    /// The result of the `initialize` handshake, which the supervisor makes.
    pub fn handshake(&self) -> Result<Value, Failure> {
        self.client.wait_ready(READY_TIMEOUT)?;
        match self.sidecar.state() {
            State::Ready(handshake) => Ok(serde_json::to_value(&*handshake)?),
            _ => Err(Failure::Ended("The sidecar has ended.".into())),
        }
    }

    /// Sends a page's request. `answer` is called once; a subscription continues after that. If the sidecar ends, the
    /// subscription's last event is the error: the next sidecar does not know which events the page has.
    pub fn call(
        &self,
        asked: PageRequest,
        send: Option<&dyn Fn(Message)>,
        answer: impl FnOnce(Result<Value, Failure>),
    ) {
        let PageRequest { number, method, mut params, channel } = asked;
        let visit = self.page().visit;
        if method == Unsubscribe::NAME {
            self.use_the_sidecars_channel(&mut params);
        }
        let request = match self.client.request(method, params, send.is_some(), default_deadline(method)) {
            Ok(request) => request,
            Err(failure) => return answer(Err(failure)),
        };
        let (Some(send), true) = (send, method == Subscribe::NAME) else {
            self.track(visit, number, &request);
            answer(match send {
                Some(send) => Relay::one_way().run(request, send),
                None => request.wait(),
            });
            return self.forget(visit, number);
        };
        let name = channel.unwrap_or_default();
        self.track_subscription(visit, &name, &request);
        let answered = request.answer().map(|result| with_channel_name(result, &name));
        let is_open = answered.is_ok();
        answer(answered);
        if is_open && let Err(failure) = Relay::one_way().run(request, send) {
            send(closing_message(&failure));
        }
        if let Some(mut page) = self.page_of(visit) {
            page.subscriptions.remove(&name);
        }
    }

    /// Cancels a request by the page's number.
    pub fn cancel(&self, number: i64) {
        if let Some(cancel) = self.page().cancels.get(&number) {
            cancel();
        }
    }

    /// The page is replaced or reloaded. Its answers continue, for the next page to resume; its subscriptions end.
    pub fn page_has_left(&self) {
        let mut page = self.page();
        let next = Page { visit: page.visit + 1, ..Page::default() };
        let left = std::mem::replace(&mut *page, next);
        let client = self.client.clone();
        thread::spawn(move || {
            for name in left.subscriptions.into_values() {
                let params = Map::from_iter([("channel".to_owned(), Value::from(name))]);
                // If the sidecar has ended, its subscriptions have ended too.
                let _ = client.request(Unsubscribe::NAME, params, false, Some(READY_TIMEOUT)).and_then(Request::wait);
            }
        });
    }

    /// Restarts a sidecar whose retry budget was used up.
    pub fn start_again(&self) {
        self.sidecar.start_again();
    }

    /// Stops the sidecar.
    pub fn stop(&self) {
        self.sidecar.stop();
    }

    fn track(&self, visit: u64, number: Option<i64>, request: &Request) {
        if let (Some(number), Some(mut page)) = (number, self.page_of(visit)) {
            page.cancels.insert(number, Box::new(request.canceller()));
        }
    }

    fn forget(&self, visit: u64, number: Option<i64>) {
        if let (Some(number), Some(mut page)) = (number, self.page_of(visit)) {
            page.cancels.remove(&number);
        }
    }

    fn track_subscription(&self, visit: u64, name: &str, request: &Request) {
        if let Some(mut page) = self.page_of(visit) {
            page.subscriptions.insert(name.to_owned(), request.channel().unwrap_or_default().to_owned());
        }
    }

    fn use_the_sidecars_channel(&self, params: &mut Map<String, Value>) {
        let theirs =
            params.get("channel").and_then(Value::as_str).and_then(|name| self.page().subscriptions.get(name).cloned());
        if let Some(theirs) = theirs {
            params.insert("channel".into(), theirs.into());
        }
    }

    /// What a page has under way; `None` once another page has replaced it.
    fn page_of(&self, visit: u64) -> Option<MutexGuard<'_, Page>> {
        Some(self.page()).filter(|page| page.visit == visit)
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().expect("the lock is not poisoned")
    }
}

/// A subscription's last message, for when the sidecar has sent none.
fn closing_message(failure: &Failure) -> Message {
    let event = json!({"status": "error", "error": failure.to_wire()});
    Message { number: 0, events: vec![Merged { first_seq: 0, seq: 0, event }] }
}

/// A result with the page's name of the channel.
fn with_channel_name(mut result: Value, name: &str) -> Value {
    if let Some(channel) = result.get_mut("channel") {
        *channel = name.into();
    }
    result
}
