//! Carries out what a page asks.
//!
//! Owns which requests a page has under way, by the page's own numbers and names: pages come and go, and each begins to
//! count anew, while the sidecar stays. Knows nothing of webviews.

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

/// How long a page waits for its first word from the sidecar.
const WELCOME: Duration = Duration::from_secs(60);

type Cancel = Box<dyn Fn() + Send + Sync>;

/// A page's request, allowed by `page::request`.
pub struct Asked {
    /// The page's number for it; what cancels it.
    pub number: Option<i64>,
    pub method: &'static str,
    pub params: Map<String, Value>,
    /// The page's name for the events' channel.
    pub channel: Option<String>,
}

/// A sidecar as pages see it. All its methods but `page_has_left` block.
pub struct Bridge {
    sidecar: Sidecar,
    client: Client,
    page: Mutex<Page>,
}

/// What the page that is shown has under way.
#[derive(Default)]
struct Page {
    /// Which page it is. What an earlier one has asked for may end now.
    visit: u64,
    cancels: HashMap<i64, Cancel>,
    /// The sidecar's names of its subscriptions.
    subscriptions: HashMap<String, String>,
}

impl Bridge {
    /// The bridge to a sidecar, which is its own from now on.
    pub fn new(sidecar: Sidecar) -> Self {
        Self { client: sidecar.client(), sidecar, page: Mutex::default() }
    }

    /// Who the sidecar is: what `initialize` answers. The handshake itself is the library's.
    pub fn welcome(&self) -> Result<Value, Failure> {
        self.client.wait_ready(WELCOME)?;
        match self.sidecar.state() {
            State::Ready(welcome) => Ok(serde_json::to_value(&*welcome)?),
            _ => Err(Failure::Ended("The sidecar has ended.".into())),
        }
    }

    /// Asks the sidecar. `answer` is called once; a subscription goes on after it. Where it ends with its sidecar its last
    /// event says so: the sidecar's successor knows nothing of what the page was told.
    pub fn ask(&self, asked: Asked, send: Option<&dyn Fn(Message)>, answer: impl FnOnce(Result<Value, Failure>)) {
        let Asked { number, method, mut params, channel } = asked;
        let visit = self.page().visit;
        if method == Unsubscribe::NAME {
            self.by_the_sidecars_name(&mut params);
        }
        let request = match self.client.request(method, params, send.is_some(), default_deadline(method)) {
            Ok(request) => request,
            Err(failure) => return answer(Err(failure)),
        };
        let (Some(send), true) = (send, method == Subscribe::NAME) else {
            self.note(visit, number, &request);
            answer(match send {
                Some(send) => Relay::unchecked().run(request, send),
                None => request.wait(),
            });
            return self.forget(visit, number);
        };
        let name = channel.unwrap_or_default();
        self.note_subscription(visit, &name, &request);
        let answered = request.answer().map(|result| named(result, &name));
        let is_open = answered.is_ok();
        answer(answered);
        if is_open && let Err(failure) = Relay::unchecked().run(request, send) {
            send(farewell(&failure));
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

    /// Another page is on its way, or the same one begins anew. Answers go on; it may ask for them. What the old one only
    /// looked at ends.
    pub fn page_has_left(&self) {
        let mut page = self.page();
        let next = Page { visit: page.visit + 1, ..Page::default() };
        let left = std::mem::replace(&mut *page, next);
        let client = self.client.clone();
        thread::spawn(move || {
            for name in left.subscriptions.into_values() {
                let params = Map::from_iter([("channel".to_owned(), Value::from(name))]);
                // A sidecar that has ended has ended them as well.
                let _ = client.request(Unsubscribe::NAME, params, false, Some(WELCOME)).and_then(Request::wait);
            }
        });
    }

    /// Has a sidecar that was given up started again.
    pub fn start_again(&self) {
        self.sidecar.start_again();
    }

    /// Stops the sidecar.
    pub fn stop(&self) {
        self.sidecar.stop();
    }

    fn note(&self, visit: u64, number: Option<i64>, request: &Request) {
        if let (Some(number), Some(mut page)) = (number, self.page_of(visit)) {
            page.cancels.insert(number, Box::new(request.canceller()));
        }
    }

    fn forget(&self, visit: u64, number: Option<i64>) {
        if let (Some(number), Some(mut page)) = (number, self.page_of(visit)) {
            page.cancels.remove(&number);
        }
    }

    fn note_subscription(&self, visit: u64, name: &str, request: &Request) {
        if let Some(mut page) = self.page_of(visit) {
            page.subscriptions.insert(name.to_owned(), request.channel().unwrap_or_default().to_owned());
        }
    }

    fn by_the_sidecars_name(&self, params: &mut Map<String, Value>) {
        let theirs =
            params.get("channel").and_then(Value::as_str).and_then(|name| self.page().subscriptions.get(name).cloned());
        if let Some(theirs) = theirs {
            params.insert("channel".into(), theirs.into());
        }
    }

    /// What is under way of a page, while it is there.
    fn page_of(&self, visit: u64) -> Option<MutexGuard<'_, Page>> {
        Some(self.page()).filter(|page| page.visit == visit)
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().expect("nobody panics with it")
    }
}

/// A subscription's last message, where the sidecar has not sent one.
fn farewell(failure: &Failure) -> Message {
    let event = json!({"status": "error", "error": failure.to_wire()});
    Message { number: 0, events: vec![Merged { first_seq: 0, seq: 0, event }] }
}

/// A result in which the channel has the page's name.
fn named(mut result: Value, name: &str) -> Value {
    if let Some(channel) = result.get_mut("channel") {
        *channel = name.into();
    }
    result
}
