"""The contract as hosts met it: what a client library sends by itself, what a retry does, what a first failure says.

Chapter 11 of the faults that other people's bug reports showed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar.contract import openrpc
from tests.app.talking import Engine, StartTalk, Talking, new_session, words


@pytest.mark.parametrize("name", ["$/cancel", "$/cancelRequest"])
def test_a_client_library_cancels_with_its_own_notification(talk: Talking, engine: Engine, name: str) -> None:
    """Libraries for LSP send its name by themselves; erlang-ls/erlang_ls#18, ebkalderon/tower-lsp#281."""
    request, channel = engine.begin_turn("tokens=9 stall-after=2", session := new_session())
    talk.heard(channel, words(2))
    talk.notify(name, id=request)
    error = talk.error_of(request)
    assert (error["code"], error["data"]["partial"]) == (-32800, words(2))
    assert talk.branch(session)[-1] == ("assistant", words(2), "cancelled")
    talk.notify(name, id="of no request")
    talk.notify(name)
    assert talk.call("ping") == "pong"


def test_a_first_answer_that_does_not_come_says_which_session_it_made(talk: Talking, engine: Engine) -> None:
    """A host that leaves the id to the sidecar had nothing to resume after a stop; found by trial."""
    ways: dict[str, Callable[[int, str], None]] = {
        "stall-after=2": lambda request, _: talk.notify("$/cancel", id=request),
        "error-after=2": lambda *_: None,
        "stall-after=1": lambda _, session: talk.call("cancel_message", session_id=session) and None,
    }
    for how, stop in ways.items():
        request, channel = engine.begin_turn(f"tokens=9 {how}")
        session = talk.event(channel, "queued")["session_id"]
        if "stall" in how:
            talk.event(channel, "token")
        stop(request, session)
        error = talk.error_of(request)
        assert error["data"]["session_id"] == session
        last = talk.events[channel][-1]["event"]
        told = last["session_id"] if last["status"] == "cancelled" else last["error"]["data"]["session_id"]
        assert told == session
        assert talk.branch(session)[0][0] == "user"
        resumed = talk.fail("resume_session", session_id=session)
        assert resumed["data"]["session_id"] == session


def test_a_refused_message_says_its_session_too(start_talk: StartTalk) -> None:
    host = start_talk(server=False)
    request, channel = host.begin_turn("Hi")
    error = host.error_of(request)
    assert error["data"]["name"] == "SERVER_NOT_RUNNING"
    assert error["data"]["session_id"] == host.event(channel, "queued")["session_id"]


def test_a_message_during_the_first_start_waits_for_it(start_talk: StartTalk, tmp_path: Path) -> None:
    """A message that is sent while the model loads is refused and lost; nomic-ai/gpt4all#1665."""
    host = start_talk(server=False)
    (wait := tmp_path / "wait").touch()
    flags = ["--load-while", str(wait)]
    starting = host.begin("start_llama_server", server_id="main", parallel=2, extra_args=flags)
    asked = [host.begin_turn("tokens=3", **({"server_id": "main"} if named else {})) for named in (True, False, False)]
    for _, channel in asked:
        host.event(channel, "queued")
    assert host.fail("send_message", message="Hi", server_id="other")["data"]["name"] == "SERVER_NOT_RUNNING"
    wait.unlink()
    assert host.answer(starting)["result"]["state"] == "ready"
    for request, channel in asked:
        assert host.answer(request)["result"]["content"] == words(3)
        assert "loading" in host.statuses(channel)


def test_a_message_that_waits_for_a_start_that_fails_is_refused_with_its_cause(start_talk: StartTalk) -> None:
    host = start_talk(server=False)
    flags = ["--say-on-load", "E failed to allocate", "--exit-on-load", "1"]
    starting = host.begin("start_llama_server", extra_args=flags)
    request, _ = host.begin_turn("Hi")
    assert "error" in host.answer(starting)
    error = host.error_of(request)
    assert (error["data"]["name"], "not enough memory" in error["message"]) == ("SERVER_NOT_RUNNING", True)
    assert host.call("list_sessions")["sessions"] == []


def test_an_empty_array_is_no_parameters(talk: Talking) -> None:
    """A generated client sends `[]` where nothing is given; open-rpc/client-js#314."""
    answers: dict[str, Any] = {}
    for id_, method in enumerate(("ping", "list_servers", "get_config", "get_session"), 10_000):
        talk.send({"jsonrpc": "2.0", "id": id_, "method": method, "params": []})
        answers[method] = talk.answer(id_)
    assert [method for method, answer in answers.items() if "result" in answer] == [
        "ping",
        "list_servers",
        "get_config",
    ]
    assert answers["get_session"]["error"]["data"]["path"] == "$.session_id"
    talk.send({"jsonrpc": "2.0", "id": "by place", "method": "ping", "params": [1]})
    assert talk.answer("by place")["error"]["data"]["name"] == "INVALID_PARAMS"


def test_the_contracts_document_has_every_line_that_is_no_method() -> None:
    document = openrpc.document()
    schemas = document["components"]["schemas"]
    found = {one["name"]: (one["from"], one["schema"]["$ref"].split("/")[-1]) for one in document["x-notifications"]}
    assert found == {
        "channel": ("sidecar", "ChannelNotification"),
        "$/cancel": ("host", "CancelNotification"),
        "$/cancelRequest": ("host", "CancelNotification"),
    }
    assert schemas["CancelNotification"]["properties"]["method"] == {"enum": ["$/cancel", "$/cancelRequest"]}
    events = schemas["ChannelNotification"]["properties"]["params"]["properties"]["event"]["anyOf"]
    assert {"$ref": "#/components/schemas/TurnToken"} in events
    for event in events:
        assert event["$ref"].split("/")[-1] in schemas


def test_changed_settings_of_a_session_join_those_it_has(talk: Talking) -> None:
    """One setting was changed and the others were gone, though everything else merges; found by trial."""
    session = talk.call("create_session", config={"temperature": 0.5, "top_k": 5})["session_id"]
    steps: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"top_p": 0.9}, {"temperature": 0.5, "top_k": 5, "top_p": 0.9}),
        ({"temperature": None, "top_k": 7}, {"top_k": 7, "top_p": 0.9}),
        ({}, {"top_k": 7, "top_p": 0.9}),
        ({"context_policy": "drop_oldest"}, {"top_k": 7, "top_p": 0.9, "context_policy": "drop_oldest"}),
    ]
    for change, expected in steps:
        config = talk.call("update_session", session_id=session, config=change)["config"]
        assert {name: value for name, value in config.items() if value is not None} == expected
