"""What becomes of an answer when the engine, the server, the sidecar or the host ends in the middle of it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.app.talking import Engine, StartTalk, Talking, new_session, words
from tests.chat.rows import rows_on_disk
from tests.library.gguf_files import write_model
from tests.processes.programs import is_alive
from tests.raw_host import TERMINAL

# --- the engine --------------------------------------------------------------------------------------------


FOUND_AT_ONCE_SECONDS = 10.0
"""Also on a busy machine, and before any deadline could have found it."""


@pytest.mark.case(21)
def test_an_engine_that_dies_while_it_answers_is_told_and_what_it_said_is_kept(talk: Talking, engine: Engine) -> None:
    session = new_session()
    request, channel = engine.begin_turn("tokens=9 die-after=3", session)
    error = talk.error_of(request)
    assert (error["data"]["name"], error["data"]["exit_code"], error["data"]["partial"]) == (
        *("ENGINE_CRASHED", 42),
        words(3),
    )
    assert talk.event(channel, "error")["error"] == error
    assert talk.text(channel) == words(3)
    assert talk.branch(session) == [("user", "tokens=9 die-after=3", "complete"), ("assistant", words(3), "error")]
    assert talk.call("ping") == "pong"

    assert engine.back()["restarts"] == 1
    assert engine.say("tokens=2", session)["content"] == words(2)
    assert [role for role, _, _ in talk.branch(session)] == ["user", "assistant", "user", "assistant"]


@pytest.mark.case(21)
def test_a_crash_is_told_when_it_happens_and_the_engine_comes_back(talk: Talking, engine: Engine) -> None:
    before = talk.call("get_server", server_id=engine.server_id)
    request, channel = engine.begin_turn("tokens=9 stall-after=2", new_session())
    talk.heard(channel, words(2))
    os.kill(before["pid"], signal.SIGSEGV)
    begun = time.monotonic()
    data = talk.error_of(request)["data"]
    assert time.monotonic() - begun < FOUND_AT_ONCE_SECONDS
    assert (data["name"], data["exit_code"], data["partial"]) == ("ENGINE_CRASHED", -signal.SIGSEGV, words(2))
    after = engine.back()
    assert (after["pid"] != before["pid"], after["error"], after["restarts"]) == (True, None, 1)


def test_messages_that_wait_for_a_slot_wait_for_the_restart_too(talk: Talking) -> None:
    engine = Engine(talk, parallel=1)
    try:
        dying, channel = engine.begin_turn("tokens=9 hold-after=2 die-after=3", new_session())
        talk.heard(channel, words(2))
        waiting = [engine.begin_turn("tokens=3", new_session()) for _ in range(5)]
        behind, last = engine.begin_turn("tokens=3", new_session())
        for one in (*(channel for _, channel in waiting), last):
            talk.in_line(one)
        engine.release()
        assert talk.error_of(dying)["data"]["name"] == "ENGINE_CRASHED"
        for request, _ in waiting:
            assert talk.answer(request)["result"]["content"] == words(3)
        assert talk.answer(behind)["result"]["content"] == words(3)
        assert engine.back()["restarts"] == 1
    finally:
        engine.stop()


def test_who_waits_for_a_restart_that_fails_is_told_so(talk: Talking, tmp_path: Path) -> None:
    faults = ["--say-on-load", "E failed to allocate", "--exit-on-load", "1"]
    flags = ["--starts-file", str(tmp_path / "starts"), "--faulty-starts", "2-9", *faults]
    engine = Engine(talk, parallel=1, extra_args=flags)
    dying, channel = engine.begin_turn("tokens=9 hold-after=2 die-after=3", new_session())
    talk.heard(channel, words(2))
    waiting, waited_on = engine.begin_turn("tokens=3", new_session())
    talk.in_line(waited_on)
    engine.release()
    assert talk.error_of(dying)["data"]["name"] == "ENGINE_CRASHED"
    error = talk.error_of(waiting)
    assert (error["data"]["name"], "not enough memory" in error["message"]) == ("SERVER_NOT_RUNNING", True)
    assert talk.statuses(waited_on)[-1] == "error"
    engine.stop()


def test_a_message_that_waits_for_a_restart_can_be_cancelled(talk: Talking, tmp_path: Path) -> None:
    flags = ["--starts-file", str(tmp_path / "starts"), "--faulty-starts", "2-9", "--stuck-at", "0.5"]
    engine = Engine(talk, parallel=1, extra_args=flags)
    dying, channel = engine.begin_turn("tokens=9 hold-after=2 die-after=3", new_session())
    talk.heard(channel, words(2))
    session = new_session()
    waiting, waited_on = engine.begin_turn("tokens=3", session)
    talk.in_line(waited_on)
    engine.release()
    assert talk.error_of(dying)["data"]["name"] == "ENGINE_CRASHED"
    refused, _ = engine.begin_turn("tokens=1", new_session())
    error = talk.error_of(refused)
    assert (error["data"]["name"], "being restarted" in error["message"]) == ("SERVER_NOT_RUNNING", True)
    assert talk.call("cancel_message", session_id=session) == {"cancelled": 1, "engine_idle": True}
    assert talk.error_of(waiting)["data"]["name"] == "CANCELLED"
    assert not talk.has_session(session)
    engine.stop()


@pytest.mark.case(21)
def test_when_two_engines_die_at_once_each_answer_ends_once_with_its_own_words(talk: Talking) -> None:
    engines = [Engine(talk) for _ in range(2)]
    turns = [
        (n, *engine.begin_turn(f"tokens=9 stall-after={n}", new_session())) for engine in engines for n in (1, 2, 3)
    ]
    for n, _, channel in turns:
        talk.heard(channel, words(n))
    for engine in engines:
        os.kill(talk.call("get_server", server_id=engine.server_id)["pid"], signal.SIGKILL)
    for n, request, channel in turns:
        error = talk.error_of(request)
        assert (error["data"]["name"], error["data"]["cause"]) == ("ENGINE_CRASHED", "KILLED")
        assert error["data"]["partial"] == talk.text(channel) == words(n)
    for engine in engines:
        assert engine.back()["restarts"] == 1
        assert engine.say("tokens=1")["content"] == words(1)
        engine.stop()
    for _, _, channel in turns:
        assert [status for status in talk.statuses(channel) if status in TERMINAL] == ["error"]


@pytest.mark.case(23)
def test_an_engine_that_stands_still_is_ended_and_what_it_said_is_kept(talk: Talking) -> None:
    talk.call("set_config", patch={"engines": {"health_timeout_seconds": 1}})
    engine = Engine(talk)
    talk.call("reset_config", keys=["engines.health_timeout_seconds"])
    try:
        session = new_session()
        request, channel = engine.begin_turn("tokens=9 stall-after=2", session)
        talk.heard(channel, words(2))
        pid = talk.call("get_server", server_id=engine.server_id)["pid"]
        os.kill(pid, signal.SIGSTOP)
        error = talk.error_of(request)
        assert (error["data"]["name"], error["data"]["retryable"]) == ("ENGINE_UNRESPONSIVE", True)
        assert error["data"]["partial"] == words(2)
        assert talk.statuses(channel)[-1] == "error"
        assert talk.branch(session)[-1] == ("assistant", words(2), "error")
        assert (engine.back()["restarts"], is_alive(pid)) == (1, False)
        assert engine.say("tokens=1", session)["content"] == words(1)
    finally:
        engine.stop()


def test_an_engine_that_dies_before_the_first_word_leaves_the_question(talk: Talking, engine: Engine) -> None:
    session = new_session()
    request, _ = engine.begin_turn("die-after=0", session)
    assert talk.error_of(request)["data"]["name"] == "ENGINE_CRASHED"
    assert talk.branch(session) == [("user", "die-after=0", "complete")]


def test_every_answer_of_a_dying_engine_is_told_with_its_own_words(talk: Talking, engine: Engine) -> None:
    waiting = [engine.begin_turn(f"tokens=9 stall-after={i}", new_session()) for i in (1, 2, 3)]
    for i, (_, channel) in enumerate(waiting, 1):
        talk.heard(channel, words(i))
    killer, _ = engine.begin_turn("die-after=0", new_session())
    for i, (request, _) in enumerate(waiting, 1):
        data = talk.error_of(request)["data"]
        assert (data["name"], data["partial"]) == ("ENGINE_CRASHED", words(i))
    assert talk.error_of(killer)["data"]["name"] == "ENGINE_CRASHED"


@pytest.mark.parametrize("fault", ["garbage-after", "error-after"])
def test_an_answer_that_goes_wrong_is_an_error_and_the_engine_stays(talk: Talking, engine: Engine, fault: str) -> None:
    session = new_session()
    request, _ = engine.begin_turn(f"tokens=9 {fault}=2", session)
    data = talk.error_of(request)["data"]
    assert (data["name"], data["retryable"], data["partial"]) == ("ENGINE_UNRESPONSIVE", True, words(2))
    assert talk.branch(session)[-1] == ("assistant", words(2), "error")
    assert engine.say("tokens=1", session)["content"] == words(1)


def test_an_engine_that_stalls_can_be_left_by_cancelling(talk: Talking, engine: Engine) -> None:
    session = new_session()
    request, channel = engine.begin_turn("tokens=9 stall-after=2", session)
    talk.heard(channel, words(2))
    assert talk.call("cancel_message", session_id=session) == {"cancelled": 1, "engine_idle": True}
    assert engine.busy() == 0
    assert talk.error_of(request)["data"]["partial"] == words(2)
    assert talk.branch(session)[-1] == ("assistant", words(2), "cancelled")
    assert engine.say("tokens=1", session)["content"] == words(1)


# --- the server --------------------------------------------------------------------------------------------


def stopped_by(talk: Talking, engine: Engine, way: str) -> None:
    if way == "switch_model":
        write_model(talk.data_dir / "models" / "other.gguf")
        talk.call("switch_model", server_id=engine.server_id, model="other")
    else:
        talk.call(way, server_id=engine.server_id)


@pytest.mark.parametrize("way", ["stop_llama_server", "restart_server", "switch_model"])
def test_an_answer_ends_with_its_server_and_what_was_said_is_kept(talk: Talking, engine: Engine, way: str) -> None:
    session = new_session()
    request, channel = engine.begin_turn("tokens=9 stall-after=2", session)
    waiting, _ = engine.begin_turn("tokens=1", session)
    talk.heard(channel, words(2))
    stopped_by(talk, engine, way)
    assert talk.error_of(request)["data"]["name"] == "SERVER_NOT_RUNNING"
    response = talk.answer(waiting)
    assert "result" in response or response["error"]["data"]["name"] == "SERVER_NOT_RUNNING"
    assert talk.branch(session)[:2] == [
        ("user", "tokens=9 stall-after=2", "complete"),
        ("assistant", words(2), "error"),
    ]
    assert talk.call("ping") == "pong"


def test_a_message_to_a_stopped_server_is_refused_and_nothing_is_kept(talk: Talking, engine: Engine) -> None:
    engine.stop()
    for params in ({"server_id": engine.server_id}, {"server_id": "never-started"}):
        session = new_session()
        request, channel = talk.begin_turn("tokens=1", session, **params)
        assert talk.error_of(request)["data"]["name"] == "SERVER_NOT_RUNNING"
        assert talk.statuses(channel) == ["queued", "error"]
        assert not talk.has_session(session)
    for method in ("count_tokens", "preview_context"):
        params = {"message": "x", "server_id": engine.server_id}
        if method == "preview_context":
            params["session_id"] = talk.say("tokens=1")["session_id"]
        assert talk.fail(method, **params)["data"]["name"] == "SERVER_NOT_RUNNING"


def test_without_any_server_a_message_says_so(start_talk: StartTalk) -> None:
    host = start_talk(server=False)
    assert host.fail("send_message", message="Hi")["data"]["name"] == "SERVER_NOT_RUNNING"
    assert host.call("list_sessions")["sessions"] == []


# --- the sidecar and its host ------------------------------------------------------------------------------


def test_a_question_survives_the_sudden_end_of_the_sidecar_from_the_first_word_on(
    start_talk: StartTalk, data_dir: Path
) -> None:
    host, session = start_talk(process=True), new_session()
    _, channel = host.begin_turn("tokens=9 stall-after=1", session)
    host.event(channel, "token")
    host.process.kill()
    host.process.wait()
    assert rows_on_disk(data_dir) == [("user", "tokens=9 stall-after=1", "complete"), ("assistant", "", "running")]

    again = start_talk()
    assert again.branch(session) == [
        ("user", "tokens=9 stall-after=1", "complete"),
        ("assistant", words(1), "interrupted"),
    ]
    question = again.call("get_messages", session_id=session)["messages"][0]["message_id"]
    again.call("edit_message", session_id=session, message_id=question, message="tokens=2")
    assert again.branch(session) == [("user", "tokens=2", "complete"), ("assistant", words(2), "complete")]


@pytest.mark.parametrize("end", ["close_stdin", "shutdown", "terminate"])
def test_an_answer_is_interrupted_when_the_sidecar_is_told_to_end(
    start_talk: StartTalk, data_dir: Path, end: str
) -> None:
    host, session = start_talk(process=True), new_session()
    request, channel = host.begin_turn("tokens=9 stall-after=2", session)
    waiting, _ = host.begin_turn("never answered", session)
    host.heard(channel, words(2))
    if end == "shutdown":
        assert host.call("shutdown") is None
    elif end == "terminate":
        host.process.terminate()
    else:
        host.close_stdin()
    if end != "close_stdin":  # a host that is still there is told
        for one in (request, waiting):
            assert host.error_of(one)["data"]["name"] == "CANCELLED"
        assert host.event(channel, "cancelled") == {"status": "cancelled", "partial": words(2), "session_id": session}
    assert host.close() == 0
    kept = [("user", "tokens=9 stall-after=2", "complete"), ("assistant", words(2), "interrupted")]
    assert rows_on_disk(data_dir) == kept
    again = start_talk()
    assert again.branch(session) == kept
    assert again.say("tokens=1", session)["content"] == words(1)


def test_a_session_goes_on_after_a_restart(start_talk: StartTalk) -> None:
    host, session = start_talk(), new_session()
    host.say("text=My name is Ann.", session, system="Be brief.")
    host.call("update_session", session_id=session, config={"temperature": 0.5})
    before = host.call("get_session", session_id=session)
    assert host.close() == 0
    host = start_talk(server=False)
    assert host.call("get_session", session_id=session) == before
    engine = Engine(host)
    engine.say("text=Ann", session)
    request = engine.requests()[-1]
    assert [message["content"] for message in request["messages"]] == [
        *("Be brief.", "text=My name is Ann.", "My name is Ann."),
        "text=Ann",
    ]
    assert request["temperature"] == 0.5
