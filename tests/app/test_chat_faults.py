"""What becomes of an answer when the engine, the server, the sidecar or the host ends in the middle of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.talking import Engine, StartTalk, Talk, new_session, words
from tests.chat.rows import rows_on_disk
from tests.models.gguf_files import write_model

# --- the engine --------------------------------------------------------------------------------------------


def test_an_engine_that_dies_while_it_answers_is_told_and_what_it_said_is_kept(talk: Talk, engine: Engine) -> None:
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

    request, _ = engine.begin_turn("tokens=1", session)
    assert talk.error_of(request)["data"]["name"] == "SERVER_NOT_RUNNING"
    talk.call("restart_server", server_id=engine.server_id)
    assert engine.say("tokens=2", session)["content"] == words(2)
    assert [role for role, _, _ in talk.branch(session)] == ["user", "assistant", "user", "assistant"]


def test_an_engine_that_dies_before_the_first_word_leaves_the_question(talk: Talk, engine: Engine) -> None:
    session = new_session()
    request, _ = engine.begin_turn("die-after=0", session)
    assert talk.error_of(request)["data"]["name"] == "ENGINE_CRASHED"
    assert talk.branch(session) == [("user", "die-after=0", "complete")]


def test_every_answer_of_a_dying_engine_is_told_with_its_own_words(talk: Talk, engine: Engine) -> None:
    waiting = [engine.begin_turn(f"tokens=9 stall-after={i}", new_session()) for i in (1, 2, 3)]
    for i, (_, channel) in enumerate(waiting, 1):
        talk.heard(channel, words(i))
    killer, _ = engine.begin_turn("die-after=0", new_session())
    for i, (request, _) in enumerate(waiting, 1):
        data = talk.error_of(request)["data"]
        assert (data["name"], data["partial"]) == ("ENGINE_CRASHED", words(i))
    assert talk.error_of(killer)["data"]["name"] == "ENGINE_CRASHED"


@pytest.mark.parametrize("fault", ["garbage-after", "error-after"])
def test_an_answer_that_goes_wrong_is_an_error_and_the_engine_stays(talk: Talk, engine: Engine, fault: str) -> None:
    session = new_session()
    request, _ = engine.begin_turn(f"tokens=9 {fault}=2", session)
    data = talk.error_of(request)["data"]
    assert (data["name"], data["retryable"], data["partial"]) == ("ENGINE_UNRESPONSIVE", True, words(2))
    assert talk.branch(session)[-1] == ("assistant", words(2), "error")
    assert engine.say("tokens=1", session)["content"] == words(1)


def test_an_engine_that_stalls_can_be_left_by_cancelling(talk: Talk, engine: Engine) -> None:
    session = new_session()
    request, channel = engine.begin_turn("tokens=9 stall-after=2", session)
    talk.heard(channel, words(2))
    assert talk.call("cancel_message", session_id=session) == {"cancelled": 1, "engine_idle": True}
    assert engine.busy() == 0
    assert talk.error_of(request)["data"]["partial"] == words(2)
    assert talk.branch(session)[-1] == ("assistant", words(2), "cancelled")
    assert engine.say("tokens=1", session)["content"] == words(1)


# --- the server --------------------------------------------------------------------------------------------


def stopped_by(talk: Talk, engine: Engine, way: str) -> None:
    if way == "switch_model":
        write_model(talk.data_dir / "models" / "other.gguf")
        talk.call("switch_model", server_id=engine.server_id, model="other")
    else:
        talk.call(way, server_id=engine.server_id)


@pytest.mark.parametrize("way", ["stop_llama_server", "restart_server", "switch_model"])
def test_an_answer_ends_with_its_server_and_what_was_said_is_kept(talk: Talk, engine: Engine, way: str) -> None:
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


def test_a_message_to_a_stopped_server_is_refused_and_nothing_is_kept(talk: Talk, engine: Engine) -> None:
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
    host, session = start_talk(), new_session()
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
    host, session = start_talk(), new_session()
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
        assert host.event(channel, "cancelled") == {"status": "cancelled", "partial": words(2)}
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
