"""Real conversations: a real model on each engine, a host that knows the contract and nothing else.

Whatever the model says, only what must hold of any model is asserted.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import psutil
import pytest

from tests.conversation.conftest import StartHost
from tests.raw_host import RawHost

GREEDY = {"temperature": 0, "seed": 1}
LONG: dict[str, Any] = {"message": "Tell a very long story about a whale.", "max_tokens": 900, **GREEDY}
"""What the starter model says a lot about; asked to count, it has said "Sinister." and been done."""


def new_session() -> str:
    return str(uuid.uuid4())


def assert_gapless(host: RawHost, channel: str) -> None:
    seqs = [event["seq"] for event in host.events[channel]]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_server_starts_with_its_progress_told_in_order(start_host: StartHost, engine: str) -> None:
    with start_host() as host:
        server = host.call("start_llama_server", channel="start")
        assert_gapless(host, "start")
        assert host.statuses("start") == ["queued", "planning", "starting", "loading", "warming", "done"]
        loading = [e["event"] for e in host.events["start"] if e["event"]["status"] == "loading"]
        progress = [e["progress"] for e in loading if e["progress"] is not None]  # nothing to tell for a second
        assert progress == sorted(progress)
        assert progress[-1] == 1
        assert server["state"] == "ready"
        assert server["engine"] == engine
        assert server["model"] == "SmolLM2-135M-Instruct.Q4_1"
        assert server["actual"]["context_per_message"] == 1024
        assert psutil.pid_exists(server["pid"])
        assert host.call("is_llama_running") is True
        assert host.call("stop_llama_server") == "llama-server stopped"
        assert not psutil.pid_exists(server["pid"])


def test_an_answer_streams_in_order_and_done_comes_before_the_response(talk: RawHost) -> None:
    order: list[str] = []
    request = talk.begin("send_message", message="Say hello.", max_tokens=24, channel="turn", **GREEDY)
    while "response" not in order:
        message = talk.take_line()
        order.append("response" if message.get("id") == request else message["params"]["event"]["status"])
    assert order[-2:] == ["done", "response"]
    result = talk.answer(request)["result"]
    assert_gapless(talk, "turn")
    statuses = talk.statuses("turn")
    assert statuses[0] == "queued"
    assert statuses[-2:] == ["token", "done"]
    assert talk.text("turn") == result["content"] != ""
    assert 0 < result["usage"]["completion_tokens"] <= 24
    assert result["usage"]["prompt_tokens"] > 0
    assert result["finish_reason"] in ("stop", "length")
    assert result["timings"]["ttft_ms"] > 0
    assert result["context"]["max_context"] == 1024
    assert result["context"]["used"] == sum(result["usage"][k] for k in ("prompt_tokens", "completion_tokens"))


def test_a_session_is_remembered_after_the_sidecar_is_restarted(start_host: StartHost) -> None:
    session = new_session()
    with start_host() as host:
        host.call("start_llama_server")
        first = host.call("send_message", message="My name is Ada.", session_id=session, max_tokens=16, **GREEDY)
    with start_host() as host:
        page = host.call("get_messages", session_id=session)
        assert [(m["role"], m["content"]) for m in page["messages"]] == [
            ("user", "My name is Ada."),
            ("assistant", first["content"]),
        ]
        assert host.call("get_session", session_id=session)["title"] == "My name is Ada."
        host.call("start_llama_server")
        second = host.call("send_message", message="What is my name?", session_id=session, max_tokens=16, **GREEDY)
        assert second["usage"]["prompt_tokens"] > first["usage"]["prompt_tokens"] + first["usage"]["completion_tokens"]
        assert second["user_message_id"] != first["user_message_id"]


def test_a_cancelled_answer_keeps_its_text_and_leaves_the_engine_idle(talk: RawHost) -> None:
    session = new_session()
    request = talk.begin("send_message", session_id=session, channel="turn", **LONG)
    talk.event("turn", "token", at_least=3)
    assert talk.call("cancel_message", session_id=session) == {"cancelled": 1, "engine_idle": True}
    error = talk.answer(request)["error"]
    assert (error["code"], error["data"]["name"]) == (-32800, "CANCELLED")
    assert error["data"]["partial"] == talk.text("turn") != ""
    assert talk.events["turn"][-1]["event"] == {
        **{"status": "cancelled", "partial": error["data"]["partial"]},
        "session_id": session,
    }
    kept = talk.call("get_messages", session_id=session)["messages"][-1]
    assert (kept["content"], kept["state"]) == (error["data"]["partial"], "cancelled")
    assert talk.call("send_message", message="And now?", session_id=session, max_tokens=4, **GREEDY)["content"]


def test_the_cancel_notification_stops_an_answer_and_the_next_ping_is_answered(talk: RawHost) -> None:
    request = talk.begin("send_message", channel="turn", **LONG)
    talk.event("turn", "token")
    talk.notify("$/cancel", id=request)
    assert talk.answer(request)["error"]["data"]["name"] == "CANCELLED"
    assert talk.call("ping") == "pong"


def test_a_prompt_longer_than_the_context_is_refused_and_leaves_no_trace(talk: RawHost) -> None:
    session = new_session()
    talk.call("send_message", message="Hello.", session_id=session, max_tokens=4)
    error = talk.fail("send_message", message="word " * 3000, session_id=session, channel="turn")
    assert error["data"]["name"] == "CONTEXT_TOO_LONG"
    assert error["data"]["max_context"] == 1024
    assert error["data"]["input_length"] > 3000
    assert talk.statuses("turn")[-1] == "error"
    assert len(talk.call("get_messages", session_id=session)["messages"]) == 2
    assert talk.call("send_message", message="Still there?", session_id=session, max_tokens=4, **GREEDY)["content"]


def test_the_oldest_messages_are_left_out_on_request_and_counted(start_host: StartHost) -> None:
    session = new_session()
    with start_host() as host:
        host.call("start_llama_server", ctx_size=256)
        for number in range(4):
            host.call(
                "send_message",
                message=f"{number} " + "blue " * 60,
                session_id=session,
                max_tokens=2,
                context_policy="drop_oldest",
            )
        preview = host.call(
            "preview_context", session_id=session, message="What colour?", context_policy="drop_oldest", max_tokens=16
        )
        assert preview["fits"] is True
        assert len(preview["dropped"]) + len(preview["sent_messages"]) == 8
        result = host.call(
            "send_message", message="What colour?", session_id=session, context_policy="drop_oldest", max_tokens=16
        )
        assert result["context"]["dropped_messages"] == len(preview["dropped"]) > 0
        assert result["usage"]["prompt_tokens"] == preview["input_length"]


def test_tokens_are_counted_before_sending_as_the_engine_counts_them(talk: RawHost) -> None:
    session = new_session()
    talk.call("send_message", message="One two three.", session_id=session, max_tokens=8, **GREEDY)
    counted = talk.call("count_tokens", session_id=session, message="Four five?")
    result = talk.call("send_message", message="Four five?", session_id=session, max_tokens=4, **GREEDY)
    assert counted == {"tokens": result["usage"]["prompt_tokens"], "max_context": 1024}
    assert talk.call("count_tokens", text="One two three.")["tokens"] > 2


def test_regenerating_makes_a_sibling_and_keeps_the_old_answer(talk: RawHost) -> None:
    session = new_session()
    first = talk.call("send_message", message="Say something.", session_id=session, max_tokens=8)
    again = talk.call("regenerate_message", session_id=session, max_tokens=8)
    last = talk.call("get_messages", session_id=session)["messages"][-1]
    assert last["message_id"] == again["message_id"]
    assert last["siblings"] == [first["message_id"], again["message_id"]]
    old = talk.call("get_messages", session_id=session, branch=first["message_id"])["messages"][-1]
    assert old["content"] == first["content"]


def test_an_answer_follows_a_json_schema(talk: RawHost) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green", "blue"]}, "count": {"type": "integer"}},
        "required": ["colour", "count"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_object", "schema": schema}
    result = talk.call("send_message", message="Name a colour and a number.", response_format=wanted, max_tokens=200)
    answer = json.loads(result["content"])
    assert answer["colour"] in ("red", "green", "blue")
    assert isinstance(answer["count"], int)


def test_two_servers_run_side_by_side_and_sessions_remember_theirs(start_host: StartHost) -> None:
    session = new_session()
    with start_host() as host:
        host.call("start_llama_server", server_id="a")
        host.call("start_llama_server", server_id="b", ctx_size=512)
        host.call("send_message", message="Hi.", session_id=session, server_id="b", max_tokens=4)
        result = host.call("send_message", message="Again.", session_id=session, max_tokens=4)
        assert result["context"]["max_context"] == 512
        assert [s["server_id"] for s in host.call("list_servers")] == ["a", "b"]
        used = host.call("get_resources")["servers"]
        assert {u["server_id"] for u in used} == {"a", "b"}
        assert all(u["memory_bytes"] > 10_000_000 for u in used)


def test_messages_to_one_session_are_answered_in_the_order_they_came(talk: RawHost) -> None:
    session = new_session()
    message = {"session_id": session, "max_tokens": 8}
    requests = talk.begin_together(
        "send_message", *({**message, "message": f"Number {n}.", "channel": f"turn{n}"} for n in range(3))
    )
    for request in requests:
        talk.answer(request)
    assert talk.events["turn2"][0]["event"] == {"status": "queued", "position": 2, "session_id": session}
    said = [m["content"] for m in talk.call("get_messages", session_id=session)["messages"] if m["role"] == "user"]
    assert said == ["Number 0.", "Number 1.", "Number 2."]


def test_a_second_channel_follows_a_running_answer_from_where_the_host_was(talk: RawHost) -> None:
    session = new_session()
    request = talk.begin("send_message", session_id=session, channel="one", **(LONG | {"max_tokens": 60}))
    talk.event("one", "token", at_least=5)
    seen = talk.events["one"][5]["seq"]
    resumed = talk.begin("resume_session", session_id=session, after_seq=seen, channel="two")
    result = talk.answer(request)["result"]
    assert talk.answer(resumed)["result"] == result
    assert talk.events["two"][0]["seq"] == seen + 1
    before = "".join(e["event"].get("chunk", "") for e in talk.events["one"] if e["seq"] <= seen)
    assert before + talk.text("two") == result["content"]


def test_nothing_is_left_after_stdin_is_closed_even_in_the_middle_of_an_answer(start_host: StartHost) -> None:
    with start_host() as host:
        server = host.call("start_llama_server")
        host.begin("send_message", channel="turn", **LONG)
        host.event("turn", "token")
        assert host.close() == 0
        assert not psutil.pid_exists(server["pid"])


@pytest.mark.case(21)
def test_an_engine_that_is_killed_while_it_answers_ends_the_answer_and_is_started_again(start_host: StartHost) -> None:
    session = new_session()
    with start_host() as host:
        server = host.call("start_llama_server")
        request = host.begin("send_message", session_id=session, channel="turn", **LONG)
        host.event("turn", "token", at_least=3)
        psutil.Process(server["pid"]).kill()
        error = host.answer(request)["error"]
        assert (error["data"]["name"], error["data"]["cause"]) == ("ENGINE_CRASHED", "KILLED")
        assert error["data"]["partial"] == host.text("turn")
        assert host.call("ping") == "pong"
        kept = host.call("get_messages", session_id=session)["messages"][-1]
        assert (kept["state"], kept["content"]) == ("error", error["data"]["partial"])
        host.call("subscribe", topics=["servers"], channel="servers")
        host.until(lambda: host.events["servers"][-1]["event"]["server"]["state"] == "ready")
        again = host.call("list_servers")[0]
        assert (again["restarts"], again["pid"] != server["pid"], again["error"]) == (1, True, None)
        assert host.call("send_message", message="Hello?", session_id=session, max_tokens=4, **GREEDY)["content"]


def test_the_engine_is_reachable_past_the_sidecar_only_with_its_key(start_host: StartHost) -> None:
    with start_host() as host:
        host.call("start_llama_server", port=18731)
        details = host.call("get_server")
        assert details["base_url"] == "http://127.0.0.1:18731"
        assert re.fullmatch(r"[0-9a-f]{64}", details["api_key"])
        assert http_status(details["base_url"] + "/v1/chat/completions", None) == 401
        assert http_status(details["base_url"] + "/v1/chat/completions", details["api_key"]) == 200


def http_status(url: str, key: str | None) -> int:
    """The status of a small chat completion."""
    import urllib.error
    import urllib.request

    body = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}).encode()
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
