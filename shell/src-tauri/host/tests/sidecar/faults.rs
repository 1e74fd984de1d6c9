//! Sidecars that do not start, do not answer, do not stop, or send too much.

use std::time::{Duration, Instant};

use llama_sidecar_host::contract::{methods as m, types as t};
use llama_sidecar_host::{Failure, Program, State};
use serde_json::{Map, json};

use crate::place::{LONG, Place, Watched, fake, settings, until};

fn send_message() -> Map<String, serde_json::Value> {
    json!({"message": "x"}).as_object().unwrap().clone()
}

#[test]
fn a_sidecar_that_always_ends_fails_with_its_cause_and_is_restarted_on_request() {
    let script = vec!["-c".into(), "echo broken >&2; exit 3".into()];
    let host = Watched::start(settings(Program { path: "/bin/sh".into(), arguments: script }));
    assert_eq!(host.next_state(), State::Starting);
    for tries in 1..=3 {
        let state = host.next_state();
        assert!(matches!(state, State::Restarting { tries: reported, .. } if reported == tries), "{state:?}");
    }
    let State::Failed(cause) = host.next_state() else { panic!("it is still tried") };
    assert!(cause.message.contains("exit status: 3"), "{cause:?}");
    assert_eq!(cause.log_tail, ["broken"]);
    let failure = host.client.call::<m::Ping>(t::PingParams {}).unwrap_err();
    assert_eq!(failure, Failure::NotRunning(cause.message));
    host.sidecar.start_again();
    assert_eq!(host.next_state(), State::Starting);
    assert!(matches!(host.next_state(), State::Restarting { tries: 1, .. }));
}

#[test]
fn a_program_that_does_not_exist_is_not_retried() {
    let host = Watched::start(settings(Program::at("/no/such/sidecar")));
    assert_eq!(host.next_state(), State::Starting);
    let State::Failed(cause) = host.next_state() else { panic!("it is tried again") };
    assert!(cause.message.contains("/no/such/sidecar"), "{cause:?}");
}

#[test]
fn a_sidecar_that_does_not_stop_is_killed_after_five_seconds() {
    let place = Place::new();
    let host = Watched::start(fake(&place, &["deaf"]));
    host.ready();
    let began = Instant::now();
    host.sidecar.stop();
    assert!(began.elapsed() >= Duration::from_secs(5) && began.elapsed() < Duration::from_secs(20));
    assert!(place.processes().is_empty());
    assert_eq!(host.next_state(), State::Stopped);
}

#[test]
fn a_hundred_thousand_events_wait_for_a_slow_reader_and_delay_no_other_request() {
    let place = Place::new();
    let host = Watched::start(fake(&place, &["events=100000"]));
    let mut slow = host.client.request("send_message", send_message(), true, None).unwrap();
    // Answered after all those events: the thread that reads the pipe does not wait for this reader.
    assert_eq!(host.client.request("ping", Map::new(), false, Some(LONG)).unwrap().wait().unwrap(), "pong");
    let (mut text, mut last_seq, mut events) = (String::new(), 0, 0);
    while let Some(event) = slow.next_event().unwrap() {
        assert_eq!(event.first_seq, last_seq + 1);
        last_seq = event.seq;
        text += event.event["chunk"].as_str().unwrap();
        events += 1;
    }
    assert_eq!(last_seq, 100_000);
    assert!(events < 1000, "{events}");
    assert_eq!(text, (1..=100_000).map(|number| format!("w{number} ")).collect::<String>());
}

#[test]
fn an_invalid_message_goes_to_the_log() {
    let place = Place::new();
    let host = Watched::start(fake(&place, &["noise"]));
    host.ready();
    assert!(host.has_logged("Loading libraries"));
    assert_eq!(host.client.call::<m::Ping>(t::PingParams {}).unwrap(), t::PingResult::Pong);
}

#[test]
fn a_request_without_an_answer_times_out_and_is_cancelled() {
    let place = Place::new();
    let host = Watched::start(fake(&place, &["silent"]));
    let time = Duration::from_millis(100);
    host.client.wait_ready(LONG).unwrap();
    let failure = host.client.call_within::<m::Ping>(t::PingParams {}, Some(time)).unwrap_err();
    assert_eq!(failure, Failure::Late(time));
    assert!(host.has_logged("cancelled"));
}

#[test]
fn a_request_that_is_longer_than_the_sidecar_reads_is_not_sent() {
    let place = Place::new();
    let host = Watched::start(fake(&place, &["events=1"]));
    let long = t::SendMessageParams::new("x".repeat(1000));
    let failure = host.client.call::<m::SendMessage>(long).unwrap_err();
    assert!(matches!(failure, Failure::TooLong { limit: 1000, .. }), "{failure}");
    assert_eq!(host.client.call::<m::Ping>(t::PingParams {}).unwrap(), t::PingResult::Pong);
}

#[test]
fn dropping_the_handle_stops_the_sidecar() {
    let place = Place::new();
    let host = Watched::start(fake(&place, &[]));
    host.ready();
    assert!(!place.processes().is_empty());
    drop(host);
    assert!(until(LONG, || place.processes().is_empty()));
}
