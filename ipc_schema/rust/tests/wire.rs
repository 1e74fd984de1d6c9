//! Lines on the wire.

use llama_sidecar_contract::methods::{IsLlamaRunning, SendMessage, Shutdown};
use llama_sidecar_contract::{types, Cancel, ErrorName, Request, RequestId, SidecarMessage};
use serde_json::{from_str, json, Value};

fn value(line: &str) -> Value {
    assert_eq!(line.find('\n'), Some(line.len() - 1));
    from_str(line).expect("a line is JSON")
}

#[test]
fn a_request_carries_only_what_was_given() {
    let params = types::SendMessageParams {
        temperature: Some(0.5),
        ..types::SendMessageParams::new("Hello\u{2028}\n")
    };
    assert_eq!(
        value(&Request::new::<SendMessage>(7, params).to_line()),
        json!({
            "jsonrpc": "2.0",
            "id": 7,
            "method": "send_message",
            "params": { "message": "Hello\u{2028}\n", "temperature": 0.5 },
        })
    );
}

#[test]
fn parameters_without_members_are_an_empty_object() {
    assert_eq!(
        value(&Request::new::<Shutdown>("last", types::ShutdownParams {}).to_line()),
        json!({ "jsonrpc": "2.0", "id": "last", "method": "shutdown", "params": {} })
    );
}

#[test]
fn a_request_is_cancelled_by_its_id() {
    assert_eq!(
        value(&Cancel(RequestId::Number(7)).to_line()),
        json!({ "jsonrpc": "2.0", "method": "$/cancel", "params": { "id": 7 } })
    );
}

#[test]
fn a_response_is_read_as_its_methods_result() {
    let response = SidecarMessage::from_line(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true}\r\n");
    let Ok(SidecarMessage::Response(response)) = response else {
        panic!("{response:?}");
    };
    assert_eq!(response.id, RequestId::Number(1));
    assert!(response.result::<IsLlamaRunning>().unwrap());
}

#[test]
fn a_response_without_a_value_is_read() {
    let response = r#"{"jsonrpc": "2.0", "id": "x", "result": null}"#.parse();
    let Ok(SidecarMessage::Response(response)) = response else {
        panic!("{response:?}");
    };
    response.result::<Shutdown>().unwrap();
}

#[test]
fn an_error_is_read_with_all_its_data() {
    let error = r#"{"jsonrpc": "2.0", "id": null, "error": {"code": -32016, "message": "Too long.", "data":
        {"name": "CONTEXT_TOO_LONG", "retryable": false, "hint": "Shorten it.", "max_context": 8}}}"#
        .parse();
    let Ok(SidecarMessage::Error(error)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.id, None);
    assert_eq!(error.error.data.name, ErrorName::ContextTooLong);
    assert_eq!(error.error.data.name.code(), Some(error.error.code));
    assert_eq!(error.error.data.more["max_context"], 8);
    assert_eq!(error.error.to_string(), "Too long. Shorten it.");
}

#[test]
fn an_error_of_a_later_version_is_marked_newer() {
    let error = r#"{"jsonrpc": "2.0", "id": 1, "error": {"code": -32099, "message": "New.", "data":
        {"name": "SOMETHING_NEW", "retryable": true, "hint": ""}}}"#
        .parse();
    let Ok(SidecarMessage::Error(error)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.error.data.name, ErrorName::Newer);
    assert_eq!(error.error.to_string(), "New.");
}

#[test]
fn an_event_is_read_as_its_methods_event() {
    let event = r#"{"jsonrpc": "2.0", "method": "channel", "params": {"channel": "c1", "seq": 1,
        "event": {"status": "token", "chunk": "Hi"}}}"#
        .parse();
    let Ok(SidecarMessage::Channel(event)) = event else {
        panic!("{event:?}");
    };
    assert!(!event.params.is_last());
    let token = types::TurnToken {
        chunk: "Hi".to_owned(),
    };
    assert_eq!(
        event.params.event::<SendMessage>().unwrap(),
        types::TurnEvent::Token(token)
    );
}

#[test]
fn an_event_of_a_later_version_is_marked_newer() {
    let event = r#"{"jsonrpc": "2.0", "method": "channel", "params": {"channel": "c1", "seq": 2,
        "event": {"status": "something_new", "more": [1]}}}"#
        .parse();
    let Ok(SidecarMessage::Channel(event)) = event else {
        panic!("{event:?}");
    };
    assert_eq!(
        event.params.event::<SendMessage>().unwrap(),
        types::TurnEvent::Newer
    );
}

#[test]
fn a_line_that_is_not_a_message_is_rejected() {
    assert!("{\"jsonrpc\":\"2.0\"}".parse::<SidecarMessage>().is_err());
    assert!("[]".parse::<SidecarMessage>().is_err());
    assert!("llama".parse::<SidecarMessage>().is_err());
}
