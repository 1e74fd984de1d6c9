"""Messages that come while their server is being replaced: the new one answers, or they are told why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.talking import Engine, Talking, new_session, words
from tests.library.gguf_files import write_model


@pytest.fixture
def fragile(talk: Talking, tmp_path: Path) -> Iterator[Engine]:
    """A server whose second start goes on for ever."""
    faults = ["--stuck-at", "0.5", "--starts-file", str(tmp_path / "starts"), "--faulty-starts", "2-2"]
    engine = Engine(talk, parallel=1, extra_args=faults)
    yield engine
    engine.stop()


def begin_replacing(talk: Talking, engine: Engine, method: str = "restart_server", **params: Any) -> int:
    """Ask for another engine; returns, once that loads, the request's id."""
    channel = talk.new_channel()
    request = talk.begin(method, server_id=engine.server_id, channel=channel, **params)
    talk.event(channel, "loading")
    return request


def test_the_new_model_answers_what_waited_and_what_came_while_it_was_switched_to(talk: Talking) -> None:
    engine = Engine(talk, model="tiny", parallel=1, extra_args=["--ready-after", "0.4"])
    known = engine.say("tokens=2")["session_id"]
    running, channel = engine.begin_turn("tokens=9 stall-after=2")
    talk.heard(channel, words(2))
    waiting, line = engine.begin_turn("tokens=4")
    talk.in_line(line)

    write_model(talk.data_dir / "models" / "other.gguf")
    switch = begin_replacing(talk, engine, "switch_model", model="other")
    late, _ = talk.begin_turn("tokens=3", known)
    counts = [
        talk.begin("count_tokens", server_id=engine.server_id, **what)
        for what in ({"text": "some words"}, {"message": "some words"})
    ]
    preview = talk.begin("preview_context", session_id=known, message="some words")
    again = talk.begin("regenerate_message", session_id=known)

    broken = talk.error_of(running)["data"]
    assert (broken["name"], talk.text(channel)) == ("SERVER_NOT_RUNNING", words(2))
    assert talk.answer(waiting)["result"]["content"] == words(4)
    assert talk.answer(late)["result"]["content"] == words(3)
    assert talk.answer(again)["result"]["content"] == words(3)
    assert [talk.answer(count)["result"]["tokens"] > 0 for count in counts] == [True, True]
    assert talk.answer(preview)["result"]["fits"] is True
    assert talk.answer(switch)["result"]["model"] == "other"
    answers = [m for m in talk.call("get_messages", session_id=known)["messages"] if m["role"] == "assistant"]
    assert [m["model"] for m in answers] == ["tiny", "other"]
    engine.stop()
    (talk.data_dir / "models" / "other.gguf").unlink()


@pytest.mark.parametrize("way", ["fails", "is stopped"])
def test_where_no_new_server_comes_those_who_wait_are_told(talk: Talking, tmp_path: Path, way: str) -> None:
    fault = ["--exit-on-load", "1", "--ready-after", "0.3"] if way == "fails" else ["--stuck-at", "0.5"]
    faults = [*fault, "--starts-file", str(tmp_path / "starts"), "--faulty-starts", "2-2"]
    engine = Engine(talk, parallel=1, extra_args=faults)
    running, channel = engine.begin_turn("tokens=9 stall-after=2")
    talk.heard(channel, words(2))
    waiting, line = engine.begin_turn("tokens=4")
    talk.in_line(line)
    restart = begin_replacing(talk, engine)
    asked = {
        "waiting": waiting,
        "late": engine.begin_turn("tokens=1")[0],
        "count": talk.begin("count_tokens", text="some words", server_id=engine.server_id),
        "running": running,
    }
    if way == "is stopped":
        engine.stop()
    errors = {who: talk.error_of(request) for who, request in asked.items()}
    assert {error["data"]["name"] for error in errors.values()} == {"SERVER_NOT_RUNNING"}
    assert talk.error_of(restart)["data"]["name"] == ("ENGINE_START_FAILED" if way == "fails" else "CANCELLED")
    if way == "fails":
        assert ["has failed" in errors[who]["message"] for who in ("waiting", "late", "count")] == [True] * 3
        engine.stop()


def test_a_message_that_waits_for_a_server_can_be_cancelled_and_leaves_nothing_behind(
    talk: Talking, fragile: Engine
) -> None:
    restart = begin_replacing(talk, fragile)
    session, count = new_session(), talk.begin("count_tokens", text="some words", server_id=fragile.server_id)
    requests = [fragile.begin_turn("tokens=1", session)[0] for _ in range(2)]
    assert talk.call("cancel_message", session_id=session)["cancelled"] == 2
    talk.notify("$/cancel", id=count)
    assert {talk.error_of(request)["data"]["name"] for request in (*requests, count)} == {"CANCELLED"}
    assert not talk.has_session(session)

    later, _ = fragile.begin_turn("tokens=3", session)
    assert begin_replacing(talk, fragile)  # of the one that is loading for ever
    assert talk.error_of(restart)["data"]["name"] == "CANCELLED"
    assert talk.answer(later)["result"]["content"] == words(3)
    assert [said["messages"][-1]["content"] for said in fragile.requests()] == ["tokens=3"]
