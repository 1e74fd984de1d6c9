//! Requests: typed for Rust, by method name for pages.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llama_sidecar_contract::methods::{EditMessage, RegenerateMessage, SendMessage, Unsubscribe};
use llama_sidecar_contract::{Cancel, Method, RequestId};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::exchange::{Exchange, Next};
use crate::failure::Failure;
use crate::shared::Shared;
use crate::unread::Merged;

/// For methods without long work: most answer in milliseconds, those that read a disk or a hub take some seconds.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(120);

/// For a message without an answer, such as a cancellation.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);

/// The methods that stream, which have no deadline. The supervisor's pings detect a sidecar that hangs.
const STREAMING: [&str; 13] = [
    "subscribe",
    "start_llama_server",
    "restart_server",
    "switch_model",
    "send_message",
    "regenerate_message",
    "edit_message",
    "continue_message",
    "resume_session",
    "scan_models",
    "import_model",
    "download_model",
    "install_engine",
];

/// The deadline of a method's answer where the caller sets none; `None` waits for as long as the sidecar lives.
pub fn default_deadline(method: &str) -> Option<Duration> {
    (!STREAMING.contains(&method)).then_some(DEFAULT_DEADLINE)
}

/// Sends requests to the current sidecar. Clones are the same client; any thread may use it.
///
/// A request waits for a sidecar that is starting. All methods block, so an async app calls them on a blocking thread.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

impl Client {
    /// Calls a method without events and waits for its result.
    pub fn call<M: Method>(&self, params: M::Params) -> Result<M::Result, Failure> {
        self.call_within::<M>(params, default_deadline(M::NAME))
    }

    /// As `call`, with this deadline; `None` waits for as long as the sidecar lives.
    pub fn call_within<M: Method>(&self, params: M::Params, time: Option<Duration>) -> Result<M::Result, Failure> {
        Ok(serde_json::from_value(self.request(M::NAME, members(&params)?, false, time)?.wait()?)?)
    }

    /// Calls a method with events.
    pub fn start<M: Method>(&self, params: M::Params) -> Result<Call<M>, Failure> {
        let request = self.request(M::NAME, members(&params)?, true, default_deadline(M::NAME))?;
        Ok(Call { request, method: PhantomData })
    }

    /// Sends a request by method name. The deadline counts from now and includes the wait for a sidecar.
    pub fn request(
        &self,
        method: &str,
        mut params: Map<String, Value>,
        events: bool,
        time: Option<Duration>,
    ) -> Result<Request, Failure> {
        let late = time.map(|time| (Instant::now() + time, time));
        let id = self.shared.in_flight.new_id();
        let channel = events.then(|| channel(&mut params, id));
        // An answer can only be resumed in a session whose id is known here.
        if [SendMessage::NAME, RegenerateMessage::NAME, EditMessage::NAME].contains(&method) && events {
            let session = params.entry("session_id").or_insert(Value::Null);
            if session.is_null() {
                *session = uuid::Uuid::new_v4().to_string().into();
            }
        }
        let exchange = Arc::new(Exchange::new(method, &params, channel));
        let line = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.shared.send(id, &exchange, &line, late)?;
        Ok(Request { shared: Arc::clone(&self.shared), exchange, late })
    }

    /// Waits until the sidecar is ready, for `time` at most.
    pub fn wait_ready(&self, time: Duration) -> Result<(), Failure> {
        self.shared.connection(Some((Instant::now() + time, time))).map(drop)
    }
}

/// The channel for a request's events: the one it names, else a new one.
fn channel(params: &mut Map<String, Value>, id: i64) -> String {
    if let Some(Value::String(named)) = params.get("channel") {
        return named.clone();
    }
    let chosen = format!("host-{id}");
    params.insert("channel".into(), chosen.clone().into());
    chosen
}

fn members(params: &impl serde::Serialize) -> Result<Map<String, Value>, Failure> {
    Ok(serde_json::from_value(serde_json::to_value(params)?)?)
}

/// A request under way. Dropping it early cancels it, or ends its subscription.
pub struct Request {
    shared: Arc<Shared>,
    exchange: Arc<Exchange>,
    late: Option<(Instant, Duration)>,
}

/// What `next_event_within` returns.
#[derive(Debug, PartialEq)]
pub enum Progress {
    Event(Merged),
    /// No event came within the time.
    Nothing,
    /// There are no more events, and the answer has arrived.
    Over,
}

impl Request {
    /// The next event, merged with those that came since the last read. `None` after the last one.
    ///
    /// # Errors
    /// The deadline has passed.
    pub fn next_event(&mut self) -> Result<Option<Merged>, Failure> {
        match self.exchange.next(self.late.map(|(at, _)| at)) {
            Next::Event(event) => Ok(Some(event)),
            Next::Over => Ok(None),
            Next::Nothing => Err(Failure::Late(self.late.map(|(_, time)| time).unwrap_or_default())),
        }
    }

    /// As `next_event`, but waits for `time` at most.
    pub fn next_event_within(&mut self, time: Duration) -> Progress {
        match self.exchange.next(Some(Instant::now() + time)) {
            Next::Event(event) => Progress::Event(event),
            Next::Nothing => Progress::Nothing,
            Next::Over => Progress::Over,
        }
    }

    /// The channel that its events come on.
    pub fn channel(&self) -> Option<&str> {
        self.exchange.channel.as_deref()
    }

    /// Cancels the request. The sidecar still answers it, with CANCELLED.
    pub fn cancel(&self) {
        let cancel = Cancel(RequestId::Number(self.exchange.id()));
        self.shared.send_if_ready(cancel.to_line(), CANCEL_TIMEOUT);
    }

    /// A function that cancels the request from any thread.
    pub fn canceller(&self) -> impl Fn() + Send + Sync + use<> {
        let (shared, exchange) = (Arc::clone(&self.shared), Arc::clone(&self.exchange));
        move || {
            if !exchange.is_over() {
                shared.send_if_ready(Cancel(RequestId::Number(exchange.id())).to_line(), CANCEL_TIMEOUT);
            }
        }
    }

    /// Waits for the answer; a subscription continues after it.
    pub fn answer(&self) -> Result<Value, Failure> {
        let late = || Failure::Late(self.late.map(|(_, time)| time).unwrap_or_default());
        self.exchange.wait_answer(self.late.map(|(at, _)| at)).unwrap_or_else(|| Err(late()))
    }

    /// Waits for the result.
    pub fn wait(self) -> Result<Value, Failure> {
        self.answer()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.shared.in_flight.forget(&self.exchange);
        if self.exchange.is_over() {
            return;
        }
        match (&self.exchange.channel, self.exchange.outcome()) {
            (Some(channel), Some(Ok(_))) => {
                let (id, params) = (self.shared.in_flight.new_id(), json!({"channel": channel}));
                let line = json!({"jsonrpc": "2.0", "id": id, "method": Unsubscribe::NAME, "params": params});
                self.shared.send_if_ready(format!("{line}\n"), CANCEL_TIMEOUT);
            }
            _ => self.cancel(),
        }
    }
}

/// A request with typed events and a typed result.
pub struct Call<M: Method> {
    request: Request,
    method: PhantomData<fn() -> M>,
}

/// An event, or several merged into one, with the `seq` of the last.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<E> {
    pub seq: u64,
    pub event: E,
}

impl<M: Method> Call<M> {
    /// The next event; `None` after the last one.
    ///
    /// # Errors
    /// The deadline has passed, or an event is not what the contract says.
    pub fn next_event(&mut self) -> Result<Option<Event<M::Event>>, Failure> {
        let Some(merged) = self.request.next_event()? else { return Ok(None) };
        Ok(Some(Event { seq: merged.seq, event: typed(merged.event)? }))
    }

    /// Passes every event to a function, then returns the result.
    pub fn for_each(mut self, mut on_event: impl FnMut(Event<M::Event>)) -> Result<M::Result, Failure> {
        while let Some(event) = self.next_event()? {
            on_event(event);
        }
        self.wait()
    }

    /// Waits for the result; remaining events are dropped.
    pub fn wait(self) -> Result<M::Result, Failure> {
        Ok(serde_json::from_value(self.request.wait()?)?)
    }

    /// Cancels the request. The sidecar still answers it, with CANCELLED.
    pub fn cancel(&self) {
        self.request.cancel();
    }

    /// The same request without its types, to relay to a page.
    pub fn into_request(self) -> Request {
        self.request
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    Ok(serde_json::from_value(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streaming_methods_are_those_of_the_contract() {
        let samples: Value =
            serde_json::from_str(include_str!("../../../../ipc_schema/rust/tests/samples.json")).unwrap();
        let streaming: std::collections::BTreeSet<_> = samples["events"].as_object().unwrap().keys().collect();
        assert!(streaming.iter().map(|name| name.as_str()).eq(std::collections::BTreeSet::from(STREAMING)));
        assert_eq!(default_deadline("subscribe"), None);
        assert_eq!(default_deadline("list_models"), Some(DEFAULT_DEADLINE));
    }

    #[test]
    fn a_request_without_a_channel_gets_a_new_one() {
        let mut params = json!({"channel": "mine"}).as_object().unwrap().clone();
        assert_eq!(channel(&mut params, 7), "mine");
        params.remove("channel");
        assert_eq!(channel(&mut params, 7), "host-7");
        assert_eq!(params["channel"], "host-7");
    }
}
