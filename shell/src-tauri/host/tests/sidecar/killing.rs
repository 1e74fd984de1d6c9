//! The sidecar or its host is killed during an answer.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use llama_sidecar_host::contract::{methods as m, types as t};
use llama_sidecar_host::{Failure, State};

use crate::place::{LONG, Place, Watched, python, real, signal, tree, until};

#[test]
fn a_sidecar_that_is_killed_is_restarted_and_the_answer_under_way_ends() {
    let place = Place::with_engine();
    let host = Watched::start(real(&place));
    let first = host.ready();
    host.client.call::<m::StartLlamaServer>(t::StartLlamaServerParams::default()).unwrap();
    let mut logs =
        host.client.start::<m::Subscribe>(t::SubscribeParams::new([t::Topic::Sessions], "sessions")).unwrap();
    let mut answer = host.client.start::<m::SendMessage>(t::SendMessageParams::new("tokens=50 hold-after=5")).unwrap();
    let mut text = String::new();
    while text.trim_end() != "w1 w2 w3 w4 w5" {
        if let t::TurnEvent::Token(token) = answer.next_event().unwrap().unwrap().event {
            text += &token.chunk;
        }
    }

    signal(first, "KILL");

    let ended = loop {
        match logs.next_event() {
            Ok(Some(_)) => {}
            Ok(None) => break logs.wait().unwrap_err(),
            Err(failure) => break failure,
        }
    };
    assert!(matches!(&ended, Failure::Ended(cause) if cause.contains("signal: 9")), "{ended}");
    assert!(matches!(host.next_state(), State::Restarting { tries: 1, .. }));
    assert_ne!(host.ready(), first);
    let mut last = None;
    while let Some(event) = answer.next_event().unwrap() {
        if let t::TurnEvent::Token(token) = &event.event {
            text += &token.chunk;
        }
        last = Some(event.event);
    }
    assert_eq!(text.trim_end(), "w1 w2 w3 w4 w5");
    assert!(matches!(last, Some(t::TurnEvent::Error(_) | t::TurnEvent::Cancelled(_))), "{last:?}");
    let failure = answer.wait().unwrap_err();
    assert!(matches!(failure, Failure::Refused(_)), "{failure}");
    assert_eq!(host.client.call::<m::ListSessions>(t::ListSessionsParams::default()).unwrap().sessions.len(), 1);
}

#[test]
fn a_host_that_is_killed_during_an_answer_leaves_no_process() {
    for (how, hanging) in [("KILL", false), ("KILL", true), ("TERM", false)] {
        let place = Place::with_engine();
        let mut host = Command::new(example("chat"));
        host.arg("tokens=50 hold-after=5").arg(python()).args(["-m", "sidecar"]).current_dir(tree());
        host.env("LLAMA_SIDECAR_DATA_DIR", place.data());
        let mut host = host.stdout(Stdio::piped()).spawn().unwrap();
        let mut printed = Vec::new();
        let mut output = BufReader::new(host.stdout.take().unwrap());
        while !String::from_utf8_lossy(&printed).contains("w5") {
            assert_ne!(output.read_until(b' ', &mut printed).unwrap(), 0);
        }
        let running = place.processes().len();
        assert!(running >= 3, "host, sidecar and engine: {running}");
        if hanging {
            // It cannot notice the end of its stdin, so the kernel must kill it.
            signal(place.sidecar(), "STOP");
        }

        signal(host.id(), how);
        host.wait().unwrap();

        assert!(place.is_quiet_within(LONG), "after {how}: {:?}", place.processes());
    }
}

#[test]
fn a_sidecar_that_hangs_is_killed_and_restarted() {
    let place = Place::with_engine();
    let mut settings = real(&place);
    settings.ping_interval = Duration::from_millis(300);
    let host = Watched::start(settings);
    let first = host.ready();
    signal(first, "STOP");
    let State::Restarting { cause, .. } = host.next_state() else { panic!("it is not started again") };
    assert!(cause.message.contains("did not answer"), "{cause:?}");
    assert_ne!(host.ready(), first);
    assert!(until(LONG, || host.client.call::<m::Ping>(t::PingParams {}).is_ok()));
}

/// Cargo builds examples beside the tests.
fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.ancestors().nth(2).unwrap().join("examples").join(name)
}
