"""Answers that are stopped, and answers that wait for others."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.app.talking import Engine, StartTalk, Talking, new_session, prepare, words
from tests.raw_host import ANSWER_SECONDS

FOREVER = "tokens=9 stall-after=2"


@pytest.mark.parametrize("way", ["$/cancel", "cancel_message"])
def test_a_cancelled_answer_ends_with_what_was_said(talk: Talking, engine: Engine, way: str) -> None:
    session = new_session()
    request, channel = engine.begin_turn(FOREVER, session)
    talk.heard(channel, words(2))
    if way == "$/cancel":
        talk.notify("$/cancel", id=request)
    else:
        assert talk.call("cancel_message", session_id=session) == {"cancelled": 1, "engine_idle": True}
        assert engine.busy() == 0
    error = talk.error_of(request)
    until = time.monotonic() + ANSWER_SECONDS
    while engine.busy():  # the engine has to notice that nobody listens
        assert time.monotonic() < until
    assert (error["code"], error["data"]["name"], error["data"]["partial"]) == (-32800, "CANCELLED", words(2))
    assert talk.events[channel][-1]["event"] == {"status": "cancelled", "partial": words(2), "session_id": session}
    assert talk.branch(session) == [("user", FOREVER, "complete"), ("assistant", words(2), "cancelled")]
    assert engine.say("tokens=1", session)["content"] == words(1)
    assert [m["content"] for m in engine.requests()[-1]["messages"]] == [FOREVER, words(2), "tokens=1"]


def test_cancelling_is_answered_only_when_the_engine_has_stopped(talk: Talking) -> None:
    engine = Engine(talk, parallel=1, extra_args=["--idle-after", "1"])
    try:
        session = new_session()
        _, channel = engine.begin_turn(FOREVER, session)
        talk.heard(channel, words(2))
        begun = time.monotonic()
        request = talk.begin("cancel_message", session_id=session)
        talk.event(channel, "cancelled")
        busy = engine.busy()  # it goes on for a while, as one that computes a long prompt
        assert busy == 1 or time.monotonic() - begun >= 1
        assert talk.answer(request)["result"] == {"cancelled": 1, "engine_idle": True}
        assert time.monotonic() - begun >= 1
        assert engine.busy() == 0
    finally:
        engine.stop()


def test_one_answers_cancelling_does_not_wait_for_another_answer(talk: Talking, engine: Engine) -> None:
    session = new_session()
    other, other_channel = engine.begin_turn("tokens=4 hold-after=2", new_session())
    _, channel = engine.begin_turn(FOREVER, session)
    talk.heard(channel, words(2))
    talk.heard(other_channel, words(2))
    assert talk.call("cancel_message", session_id=session) == {"cancelled": 1, "engine_idle": True}
    assert engine.busy() == 1
    engine.release()
    assert talk.answer(other)["result"]["content"] == words(4)


def test_cancelling_where_nothing_runs_is_answered_at_once(talk: Talking) -> None:
    nothing = {"cancelled": 0, "engine_idle": None}
    assert talk.call("cancel_message", session_id=new_session()) == nothing
    session = talk.say("tokens=1")["session_id"]
    assert talk.call("cancel_message", session_id=session) == nothing
    talk.notify("$/cancel", id=123_456_789)
    assert talk.call("ping") == "pong"


def test_an_answer_cancelled_as_soon_as_it_was_asked_for_leaves_no_trace_or_its_question(
    talk: Talking, engine: Engine
) -> None:
    session = new_session()
    request, channel = engine.begin_turn(FOREVER, session)
    talk.notify("$/cancel", id=request)
    assert talk.error_of(request)["data"]["name"] == "CANCELLED"
    assert talk.statuses(channel)[-1] == "cancelled"
    if talk.has_session(session):
        assert talk.branch(session)[0] == ("user", FOREVER, "complete")
    assert engine.say("tokens=1", session)["content"] == words(1)


def test_the_engine_that_hides_its_slots_is_not_waited_for(talk: Talking) -> None:
    engine = Engine(talk, extra_args=["--no-slots"])
    try:
        session = new_session()
        _, channel = engine.begin_turn(FOREVER, session)
        talk.heard(channel, words(2))
        assert talk.call("cancel_message", session_id=session) == {"cancelled": 1, "engine_idle": None}
    finally:
        engine.stop()


def test_cancelling_a_session_stops_what_waits_behind_too(talk: Talking, engine: Engine) -> None:
    session = new_session()
    turns = [engine.begin_turn(FOREVER, session), *(engine.begin_turn("tokens=1", session) for _ in range(3))]
    talk.heard(turns[0][1], words(2))
    assert talk.call("cancel_message", session_id=session)["cancelled"] == 4
    for request, channel in turns:
        assert talk.error_of(request)["data"]["name"] == "CANCELLED"
        assert talk.statuses(channel)[-1] == "cancelled"
    assert len(engine.requests()) == 1
    assert talk.branch(session) == [("user", FOREVER, "complete"), ("assistant", words(2), "cancelled")]


def test_messages_to_one_session_are_answered_in_order_and_told_their_places(talk: Talking, engine: Engine) -> None:
    session = new_session()
    turns = [engine.begin_turn(f"text=answer-{i} hold-after=1", session) for i in range(4)]
    engine.release()
    for i, (request, _) in enumerate(turns):
        assert talk.answer(request)["result"]["content"].startswith(f"answer-{i}")
    assert [talk.positions(channel) for _, channel in turns] == [[0], [1, 0], [2, 1, 0], [3, 2, 1, 0]]
    said = [content for role, content, _ in talk.branch(session) if role == "user"]
    assert said == [f"text=answer-{i} hold-after=1" for i in range(4)]


def test_a_message_that_waits_can_be_cancelled_and_those_behind_move_up(talk: Talking, engine: Engine) -> None:
    session = new_session()
    first, second, third = (engine.begin_turn(text, session) for text in (FOREVER, "never", "tokens=1"))
    talk.heard(first[1], words(2))
    talk.notify("$/cancel", id=second[0])
    error = talk.error_of(second[0])
    assert (error["data"]["name"], error["data"]["partial"]) == ("CANCELLED", "")
    talk.notify("$/cancel", id=first[0])
    assert talk.answer(third[0])["result"]["content"] == words(1)
    assert talk.positions(third[1]) == [2, 1, 0]
    said = [content for role, content, _ in talk.branch(session) if role == "user"]
    assert said == [FOREVER, "tokens=1"]


def test_two_sessions_are_answered_side_by_side(talk: Talking, engine: Engine) -> None:
    held = engine.begin_turn("tokens=4 hold-after=2", new_session())
    talk.heard(held[1], words(2))
    assert engine.say("tokens=1", new_session())["content"] == words(1)
    engine.release()
    assert talk.answer(held[0])["result"]["content"] == words(4)


def test_more_sessions_than_slots_wait_for_their_server_and_not_for_others(talk: Talking) -> None:
    engine = Engine(talk, parallel=1)
    try:
        running = engine.begin_turn("tokens=4 hold-after=2", new_session())
        talk.heard(running[1], words(2))
        waiting = engine.begin_turn("tokens=1", new_session())
        talk.in_line(waiting[1])
        assert talk.say("tokens=1")["content"] == words(1)
        engine.release()
        assert talk.answer(waiting[0])["result"]["content"] == words(1)
        assert talk.positions(waiting[1])[-1] == 0
        assert talk.answer(running[0])["result"]["content"] == words(4)
    finally:
        engine.stop()


def test_a_full_queue_is_told_at_once(start_talk: StartTalk, data_dir: Path, fake_llama_cpp: Path) -> None:
    prepare(data_dir, fake_llama_cpp, chat={"max_queue": 2})
    host = start_talk()
    session = new_session()
    running, channel = host.begin_turn(FOREVER, session)
    host.heard(channel, words(2))
    waiting = [host.begin_turn("tokens=1", session)[0] for _ in range(2)]
    full: dict[str, Any] = host.fail("send_message", message="tokens=1", session_id=session)
    assert (full["data"]["name"], full["data"]["queue_size"], full["data"]["retryable"]) == ("QUEUE_FULL", 2, True)
    assert host.say("tokens=1")["content"] == words(1)
    assert host.call("cancel_message", session_id=session)["cancelled"] == 3
    for request in (running, *waiting):
        assert host.error_of(request)["data"]["name"] == "CANCELLED"
    assert host.say("tokens=1", session)["content"] == words(1)
