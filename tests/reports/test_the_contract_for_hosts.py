"""The contract as hosts met it: what a client library sends by itself, what a retry does, what a first failure says.

Chapter 11 of the faults that other people's bug reports showed.
"""

from __future__ import annotations

import itertools
import json
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


# --- one message, sent twice -------------------------------------------------------------------------------


def test_a_message_that_is_sent_again_is_not_doubled(start_talk: StartTalk) -> None:
    """A send whose answer was lost is retried, and stands there twice; microsoft/BotFramework-DirectLineJS#105."""
    host = start_talk()
    given = {"message": "tokens=6 hold-after=3", "idempotency_key": "first of this window"}
    first, one = host.begin("send_message", **given, channel="one"), "one"
    session = host.event(one, "queued")["session_id"]
    host.heard(one, words(3))
    again = host.begin("send_message", **given, channel="two")
    host.heard("two", words(3))
    assert host.event("two", "queued")["session_id"] == session
    refused = host.fail("send_message", message="Hi", idempotency_key=given["idempotency_key"])
    assert (refused["data"]["name"], refused["data"]["path"]) == ("INVALID_PARAMS", "$.idempotency_key")
    host.call("cancel_message", session_id=session)
    assert host.error_of(first)["data"] == host.error_of(again)["data"]
    assert host.close() == 0

    host = start_talk()
    told = host.fail("send_message", **given, channel="three")
    assert (told["data"]["name"], told["data"]["session_id"]) == ("CANCELLED", session)
    assert host.statuses("three") == ["queued", "token", "cancelled"]
    assert [role for role, _, _ in host.branch(session)] == ["user", "assistant"]
    later = {"message": "tokens=2", "session_id": session, "idempotency_key": "k"}
    answer = host.call("send_message", **later)
    assert host.call("send_message", **later) | {"timings": None} == answer | {"timings": None}
    assert [role for role, _, _ in host.branch(session)] == ["user", "assistant"] * 2
    too_long = host.fail("send_message", message="Hi", idempotency_key="k" * 201)
    assert too_long["data"]["path"] == "$.idempotency_key"


def test_a_message_whose_sidecar_was_killed_is_answered_once_when_it_is_sent_again(start_talk: StartTalk) -> None:
    """The host has seen no answer, so it sends again what is stored already; found by trial."""
    host = start_talk(process=True)
    given = {"message": "tokens=4 hold-after=2", "idempotency_key": "k"}
    host.begin("send_message", **given, channel="one")
    session = host.event("one", "queued")["session_id"]
    host.heard("one", words(2))
    host.process.kill()
    host.process.wait()
    later = start_talk()
    request = later.begin("send_message", **given, channel="two")
    later.heard("two", words(2))
    later.notify("$/cancel", id=request)
    assert later.error_of(request)["data"]["session_id"] == session
    messages = later.call("get_messages", session_id=session)["messages"]
    assert [(m["role"], m["state"], len(m["siblings"])) for m in messages] == [
        ("user", "complete", 1),
        ("assistant", "cancelled", 2),
    ]


# --- one message, changed ----------------------------------------------------------------------------------


def test_an_answer_that_reached_its_limit_is_continued_as_one_message(talk: Talking, engine: Engine) -> None:
    """The word continue began a second message, or the answer anew; Aider-AI/aider#716, NextChat#5440."""
    first = engine.say("tokens=6", session := new_session(), max_tokens=2)
    assert (first["content"], first["finish_reason"]) == (words(2), "length")
    params = {"session_id": session, "server_id": engine.server_id, "max_tokens": 2}
    result = talk.call("continue_message", channel=(channel := talk.new_channel()), **params)
    assert (result["message_id"], result["content"]) == (first["message_id"], words(4))
    assert words(4) == words(2) + talk.text(channel)
    assert talk.event(channel, "done")["content"] == words(4)
    params["max_tokens"] = 9
    assert talk.call("continue_message", **params)["content"] == words(6)
    assert talk.branch(session) == [("user", "tokens=6", "complete"), ("assistant", words(6), "complete")]
    assert talk.fail("continue_message", **params)["data"]["name"] == "INVALID_PARAMS"


def test_an_answer_to_which_nothing_is_to_be_added_is_whole_when_continued(talk: Talking, engine: Engine) -> None:
    """Cut right at its end, it was an unresponsive engine; found by trial."""
    first = engine.say("text=whole", session := new_session())
    talk.call("update_message", session_id=session, message_id=first["message_id"], content="corrected")
    result = talk.call("continue_message", session_id=session, server_id=engine.server_id)
    assert (result["content"], result["finish_reason"], result["warnings"]) == ("corrected", "stop", [])
    assert talk.branch(session)[-1] == ("assistant", "corrected", "complete")


def test_an_engine_that_cannot_continue_says_so_and_the_answer_stays(start_talk: StartTalk) -> None:
    host = start_talk(server=False)
    engine = Engine(host, extra_args=["--no-prefill-assistant"])
    engine.say("tokens=6", session := new_session(), max_tokens=2)
    error = host.fail("continue_message", session_id=session)
    assert (error["data"]["name"], host.branch(session)[-1]) == ("NOT_SUPPORTED", ("assistant", words(2), "complete"))


def test_one_message_is_deleted_or_corrected_and_no_other(talk: Talking, engine: Engine) -> None:
    """Whoever wanted one message gone lost the chat; devchat-ai/devchat#52."""
    session = new_session()
    answers = [engine.say(f"text=answer{n}", session) for n in range(3)]
    left = talk.call("delete_message", session_id=session, message_id=answers[1]["user_message_id"])
    assert (left["message_count"], left["head"]) == (5, answers[2]["message_id"])
    fixed = talk.call(
        "update_message", session_id=session, message_id=answers[1]["message_id"], content="corrected by hand"
    )
    assert fixed["edited_at"] > fixed["created_at"]
    said = [content for _, content, _ in talk.branch(session)]
    assert said == ["text=answer0", "answer0", "corrected by hand", "text=answer2", "answer2"]
    assert [hit["message_id"] for hit in talk.call("search_messages", query="corrected hand")["hits"]] == [
        answers[1]["message_id"]
    ]
    exported = talk.call("export_session", session_id=session)["content"]
    again = talk.call("import_session", content=exported)["session_id"]
    assert [content for _, content, _ in talk.branch(again)] == said


def test_deleted_sessions_are_listed_until_they_are_restored(talk: Talking) -> None:
    """A session deleted by mistake could be restored only by whoever still knew its id; found by trial."""
    made = [talk.call("create_session", title=f"Session {n}")["session_id"] for n in range(3)]
    gone = {one: talk.call("delete_session", session_id=one)["purge_at"] for one in made}
    page = talk.call("list_deleted_sessions", limit=2)
    rest = talk.call("list_deleted_sessions", cursor=page["next_cursor"])
    assert (len(page["sessions"]), rest["next_cursor"]) == (2, None)
    found = [*page["sessions"], *rest["sessions"]]
    assert [one["session_id"] for one in found] == list(reversed(made))
    assert {one["session_id"]: one["purge_at"] for one in found} == gone
    assert talk.call("restore_session", session_id=made[0])["title"] == "Session 0"
    assert made[0] not in [one["session_id"] for one in talk.call("list_deleted_sessions")["sessions"]]
    assert talk.fail("list_deleted_sessions", cursor="x")["data"]["path"] == "$.cursor"


# --- no line is longer than a host reads -------------------------------------------------------------------


def test_no_result_is_longer_than_the_host_reads(start_talk: StartTalk) -> None:
    """A reader with a bound was cut off by one long list; found by trial."""
    host = start_talk(server=False)
    bound = 100_000
    host.call("initialize", max_line_bytes=bound)
    system = "llama \u2028" * 3_000  # 24 KB, and each separator takes six bytes in a line
    sessions = [host.call("create_session", title=f"Session {n}", system=system)["session_id"] for n in range(6)]
    messages: list[dict[str, Any]] = [
        {"message_id": new_session(), "role": "user", "content": "word " * 4_000, "created_at": float(n)}
        for n in range(6)
    ]
    for earlier, message in itertools.pairwise(messages):
        message["parent_id"] = earlier["message_id"]
    content = {
        **{"format": "llama-sidecar/session", "version": 1, "session_id": new_session(), "title": "Long"},
        **{"system": None, "config": {}, "created_at": 0.0, "updated_at": 0.0},
        **{"head": messages[-1]["message_id"], "messages": messages},
    }
    imported = host.call("import_session", content=json.dumps(content))["session_id"]

    found: list[str] = []
    cursor = None
    while cursor is not None or not found:
        page = within(host, bound, "list_sessions", cursor=cursor)["result"]
        found += [one["session_id"] for one in page["sessions"]]
        cursor = page["next_cursor"]
    assert sorted(found) == sorted([*sessions, imported])

    read: list[str] = []
    before = None
    has_more = True
    while has_more:
        page = within(host, bound, "get_messages", session_id=imported, before=before)["result"]
        read = [one["message_id"] for one in page["messages"]] + read
        before, has_more = read[0], page["has_more"]
    assert read == [message["message_id"] for message in messages]

    error = within(host, bound, "export_session", session_id=imported)["error"]
    assert (error["data"]["name"], error["data"]["max_line_bytes"]) == ("RESULT_TOO_LONG", bound)
    assert error["data"]["line_bytes"] > bound
    host.call("initialize", max_line_bytes=10 * bound)
    assert len(host.call("export_session", session_id=imported)["content"]) > bound
    for wrong in (1, 2**31):
        assert host.fail("initialize", max_line_bytes=wrong)["data"]["path"] == "$.max_line_bytes"


def within(host: Talking, bound: int, method: str, **params: Any) -> dict[str, Any]:
    """The response to a request, whose line is no longer than this."""
    given = {name: value for name, value in params.items() if value is not None}
    id_ = host.begin(method, **given)
    line = host.raw_line()
    assert len(line) <= bound
    response: dict[str, Any] = json.loads(line)
    assert response["id"] == id_
    return response


def test_a_batch_is_one_line_that_the_host_reads(start_talk: StartTalk) -> None:
    host = start_talk(server=False)
    host.call("initialize", max_line_bytes=(bound := 70_000))
    session = host.call("create_session", system="x" * 30_000)["session_id"]
    request = {"jsonrpc": "2.0", "method": "get_session", "params": {"session_id": session}}
    batch = [{**request, "id": f"b{n}"} for n in range(2)]
    host.send([*batch, *({**one, "id": f"c{n}"} for n, one in enumerate(batch))])
    line = host.raw_line()
    assert len(line) <= bound
    assert {one["error"]["data"]["name"] for one in json.loads(line)} == {"RESULT_TOO_LONG"}
    host.send(batch)
    assert {len(one["result"]["system"]) for one in json.loads(host.raw_line())} == {30_000}
