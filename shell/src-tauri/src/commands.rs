//! The page's requests as Tauri commands: each method of the contract that a page may call, under its own name.
//!
//! A command gets the method's parameters in camelCase; `requestId` is the page's number for it, `channel` a Tauri
//! channel for its events and `channelName` the page's name of that channel. `cancel_request` cancels. Events are sent
//! as messages `{number, events: [{first_seq, seq, event}, …]}`, at most 60 a second. `initialize` begins a connection
//! and ends the subscriptions of the one before. `start_sidecar_again` restarts a sidecar whose retry budget was used
//! up.

use std::sync::Arc;

use llama_sidecar_host::{Bridge, Failure, Message, PageRequest, page};
use serde_json::{Map, Value, json};
use tauri::ipc::{Channel, Invoke, InvokeBody, InvokeResolver, JavaScriptChannelId};
use tauri::{Manager, Runtime, Webview, async_runtime};

/// Handles a command; returns whether its arguments are a JSON object, as those of all our commands are.
pub fn handle<R: Runtime>(invoke: Invoke<R>) -> bool {
    let Invoke { message, resolver, .. } = invoke;
    let InvokeBody::Json(Value::Object(arguments)) = message.payload().clone() else { return false };
    let webview = message.webview();
    let bridge = Arc::clone(webview.state::<Arc<Bridge>>().inner());
    match message.command() {
        "initialize" => {
            bridge.page_has_left();
            in_background(move || settle(resolver, bridge.handshake()));
        }
        "cancel_request" => {
            if let Some(number) = arguments.get("requestId").and_then(Value::as_i64) {
                in_background(move || bridge.cancel(number));
            }
            resolver.resolve(Value::Null);
        }
        "start_sidecar_again" => {
            bridge.start_again();
            resolver.resolve(Value::Null);
        }
        method => match page_request(method, arguments, &webview) {
            Ok((request, channel)) => in_background(move || call(&bridge, request, channel.as_ref(), resolver)),
            Err(error) => resolver.reject(error),
        },
    }
    true
}

type Events = Channel<Message>;

fn page_request<R: Runtime>(
    method: &str,
    mut arguments: Map<String, Value>,
    webview: &Webview<R>,
) -> Result<(PageRequest, Option<Events>), Value> {
    let number = arguments.remove("requestId").as_ref().and_then(Value::as_i64);
    let channel = arguments.get("channel").and_then(Value::as_str);
    let events = channel.and_then(|id| id.parse::<JavaScriptChannelId>().ok()).map(|id| id.channel_on(webview.clone()));
    if events.is_some() {
        arguments.remove("channel");
    }
    let name = arguments.remove("channelName").as_ref().and_then(Value::as_str).map(str::to_owned);
    let (method, params) = page::request(method, arguments).map_err(|refused| {
        let data = json!({"name": "METHOD_NOT_FOUND", "retryable": false, "hint": "", "remedies": []});
        json!({"code": -32601, "message": refused.to_string(), "data": data})
    })?;
    Ok((PageRequest { number, method, params, channel: name }, events))
}

fn call<R: Runtime>(bridge: &Bridge, request: PageRequest, channel: Option<&Events>, resolver: InvokeResolver<R>) {
    let answer = |outcome| settle(resolver, outcome);
    match channel {
        Some(channel) => {
            let send = |message: Message| {
                // A page that has closed needs no events.
                let _ = channel.send(message);
            };
            bridge.call(request, Some(&send), answer);
        }
        None => bridge.call(request, None, answer),
    }
}

fn settle<R: Runtime>(resolver: InvokeResolver<R>, outcome: Result<Value, Failure>) {
    match outcome {
        Ok(result) => resolver.resolve(result),
        Err(failure) => resolver.reject(failure.to_wire()),
    }
}

/// Runs on a thread that may block.
fn in_background(work: impl FnOnce() + Send + 'static) {
    drop(async_runtime::spawn_blocking(work));
}

#[cfg(test)]
mod tests {
    use super::*;
    use llama_sidecar_host::{Program, Settings, Sidecar};
    use tauri::test::{INVOKE_KEY, MockRuntime, get_ipc_response, mock_builder, mock_context, noop_assets};
    use tauri::webview::InvokeRequest;
    use tauri::{App, WebviewWindow, WebviewWindowBuilder};

    /// An app whose sidecar program does not exist.
    fn app() -> (App<MockRuntime>, WebviewWindow<MockRuntime>) {
        let sidecar = Sidecar::start(Settings::new(Program::at("/no/such/sidecar"), "test", "1")).unwrap();
        let builder = mock_builder().manage(Arc::new(Bridge::new(sidecar))).invoke_handler(handle);
        let app = builder.build(mock_context(noop_assets())).unwrap();
        let window = WebviewWindowBuilder::new(&app, "main", Default::default()).build().unwrap();
        (app, window)
    }

    fn invoke(window: &WebviewWindow<MockRuntime>, command: &str, arguments: Value) -> Result<Value, Value> {
        let request = InvokeRequest {
            cmd: command.into(),
            callback: tauri::ipc::CallbackFn(0),
            error: tauri::ipc::CallbackFn(1),
            url: if cfg!(windows) { "http://tauri.localhost" } else { "tauri://localhost" }.parse().unwrap(),
            body: InvokeBody::Json(arguments),
            headers: Default::default(),
            invoke_key: INVOKE_KEY.into(),
        };
        get_ipc_response(window, request).map(|body| body.deserialize().unwrap())
    }

    #[test]
    fn methods_of_the_contract_are_commands_and_fail_with_its_errors() {
        let (_app, window) = app();
        for command in ["initialize", "list_models", "send_message", "start_llama_server"] {
            let arguments = json!({"requestId": 1, "channel": "__CHANNEL__:3", "channelName": "c1"});
            let error = invoke(&window, command, arguments).unwrap_err();
            assert_eq!(error["data"]["name"], "SIDECAR_NOT_RUNNING", "{command}: {error}");
            assert!(error["message"].as_str().unwrap().contains("/no/such/sidecar"), "{error}");
        }
    }

    #[test]
    fn methods_for_the_host_only_are_not_commands() {
        let (_app, window) = app();
        for command in ["shutdown", "ping", "no_such_method"] {
            let error = invoke(&window, command, json!({"requestId": 1})).unwrap_err();
            assert_eq!(error["data"]["name"], "METHOD_NOT_FOUND", "{command}: {error}");
        }
    }

    #[test]
    fn a_failed_sidecar_is_restarted_on_request() {
        let (_app, window) = app();
        assert_eq!(invoke(&window, "start_sidecar_again", json!({})), Ok(Value::Null));
        assert!(invoke(&window, "initialize", json!({})).is_err());
    }

    #[test]
    fn cancelling_a_finished_request_is_not_an_error() {
        let (_app, window) = app();
        assert_eq!(invoke(&window, "cancel_request", json!({"requestId": 9})), Ok(Value::Null));
    }
}
