//! Conversations with a real sidecar.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use llama_sidecar_host::contract::{ErrorName, methods as m, types as t};
use llama_sidecar_host::{Failure, Progress, Relay, State, page};
use serde_json::json;

use crate::place::{LONG, Place, Watched, real};

fn words(count: usize) -> String {
    (1..=count).map(|number| format!("w{number} ")).collect()
}

#[test]
fn a_conversation_is_complete_and_leaves_no_process() {
    let place = Place::with_engine();
    let host = Watched::start(real(&place));
    let started = host.client.call::<m::StartLlamaServer>(t::StartLlamaServerParams::default()).unwrap();
    assert_eq!(started.state, t::ServerState::Ready);

    let (mut text, mut seqs) = (String::new(), Vec::new());
    let ask = host.client.start::<m::SendMessage>(t::SendMessageParams::new("tokens=50")).unwrap();
    let whole = ask
        .for_each(|event| {
            seqs.push(event.seq);
            if let t::TurnEvent::Token(token) = event.event {
                text += &token.chunk;
            }
        })
        .unwrap();
    assert_eq!(whole.content.trim_end(), words(50).trim_end());
    assert_eq!(text.trim_end(), whole.content.trim_end());
    assert!(seqs.is_sorted() && seqs.len() > 1, "{seqs:?}");

    let unknown = t::GetSessionParams::new("00000000-0000-4000-8000-000000000000");
    let refused = host.client.call::<m::GetSession>(unknown).unwrap_err();
    assert!(matches!(&refused, Failure::Refused(error) if error.data.name == ErrorName::SessionNotFound), "{refused}");

    host.sidecar.stop();
    assert!(place.processes().is_empty());
    let states: Vec<_> = host.states.try_iter().collect();
    assert!(matches!(&states[..], [State::Starting, State::Ready(_), State::Stopped]), "{states:?}");
    let after = host.client.call::<m::Ping>(t::PingParams {}).unwrap_err();
    assert!(matches!(after, Failure::NotRunning(_)), "{after}");
    host.sidecar.stop();
}

#[test]
fn a_request_is_cancelled_on_request_and_when_it_is_dropped() {
    let place = Place::with_engine();
    let host = Watched::start(real(&place));
    host.client.call::<m::StartLlamaServer>(t::StartLlamaServerParams::default()).unwrap();
    let held = || host.client.start::<m::SendMessage>(t::SendMessageParams::new("tokens=50 hold-after=5")).unwrap();

    let mut asked = held();
    while !matches!(asked.next_event().unwrap().unwrap().event, t::TurnEvent::Token(_)) {}
    asked.cancel();
    let mut last = None;
    while let Some(event) = asked.next_event().unwrap() {
        last = Some(event.event);
    }
    assert!(matches!(last, Some(t::TurnEvent::Cancelled(_))), "{last:?}");
    let cancelled = asked.wait().unwrap_err();
    assert!(matches!(&cancelled, Failure::Refused(error) if error.data.name == ErrorName::Cancelled), "{cancelled}");

    let mut dropped = held();
    while !matches!(dropped.next_event().unwrap().unwrap().event, t::TurnEvent::Token(_)) {}
    drop(dropped);
    // The engine has one slot per conversation: the next answer would never start behind one that is still held.
    let ask = t::SendMessageParams { server_id: None, ..t::SendMessageParams::new("tokens=3") };
    assert_eq!(host.client.call::<m::SendMessage>(ask).unwrap().content.trim_end(), "w1 w2 w3");
}

#[test]
fn a_subscription_runs_beside_other_requests_and_ends_when_it_is_dropped() {
    let place = Place::with_engine();
    let host = Watched::start(real(&place));
    let subscribe = t::SubscribeParams::new([t::Topic::Sessions], "sessions");
    let mut sessions = host.client.start::<m::Subscribe>(subscribe.clone()).unwrap();
    let made = host.client.call::<m::CreateSession>(t::CreateSessionParams::default()).unwrap();
    let event = sessions.next_event().unwrap().unwrap().event;
    assert!(
        matches!(&event, t::TopicEvent::Session(event) if event.session.session_id == made.session_id),
        "{event:?}"
    );
    drop(sessions);
    // Its name is free again, which it is only after `unsubscribe`.
    let again = host.client.start::<m::Subscribe>(subscribe).unwrap();
    assert_eq!(again.wait().unwrap().channel, "sessions");
}

#[test]
fn a_pages_request_is_relayed_completely_though_a_message_is_lost() {
    let place = Place::with_engine();
    let host = Watched::start(real(&place));
    host.client.call::<m::StartLlamaServer>(t::StartLlamaServerParams::default()).unwrap();
    let arguments = json!({"message": "tokens=3000 rate=2000", "maxTokens": 3000}).as_object().unwrap().clone();
    let (method, params) = page::request("send_message", arguments).unwrap();
    let request = host.client.request(method, params, true, None).unwrap();

    let relay = Relay::default();
    let (to_page, messages) = mpsc::channel();
    thread::scope(|scope| {
        let sending = scope.spawn(|| relay.run(request, move |message| to_page.send(message).unwrap()));
        let (mut text, mut last_number, mut last_seq) = (String::new(), 0, 0);
        let mut lost = false;
        while let Ok(mut message) = messages.recv_timeout(LONG) {
            if message.number == 2 && !lost {
                lost = true;
                continue;
            }
            let mut missed = Vec::new();
            if message.number != last_number + 1 {
                missed = relay.resend_after(last_number);
                message = missed.remove(0);
            }
            for message in std::iter::once(message).chain(missed) {
                if message.number != last_number + 1 {
                    continue;
                }
                last_number = message.number;
                for event in message.events {
                    assert_eq!(event.first_seq, last_seq + 1);
                    last_seq = event.seq;
                    text += event.event["chunk"].as_str().unwrap_or_default();
                }
            }
            relay.acknowledge(last_number);
        }
        assert!(lost);
        let whole = sending.join().unwrap().unwrap();
        assert_eq!(text.trim_end(), words(3000).trim_end());
        assert_eq!(whole["content"].as_str().unwrap().trim_end(), text.trim_end());
    });
}

#[test]
fn a_requests_deadline_applies_while_other_requests_continue() {
    let place = Place::with_engine();
    let host = Watched::start(real(&place));
    host.client.call::<m::StartLlamaServer>(t::StartLlamaServerParams::default()).unwrap();
    let time = Duration::from_millis(300);
    let held = t::SendMessageParams::new("tokens=50 hold-after=5");
    let late = host.client.call_within::<m::SendMessage>(held, Some(time)).unwrap_err();
    assert_eq!(late, Failure::Late(time));
    let mut quick = host.client.request("ping", serde_json::Map::new(), false, Some(LONG)).unwrap();
    assert_eq!(quick.next_event_within(LONG), Progress::Over);
    assert_eq!(quick.wait().unwrap(), "pong");
}
