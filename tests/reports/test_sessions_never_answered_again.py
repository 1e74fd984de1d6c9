"""Chapter 1 of the reports: sessions that could never be answered again.

Each history is sent to engines that refuse as llama-server does (`fake_templates`). What they do not take is sent in
another form, or the new message is refused with an error that names what to do; nothing passes as an unwell engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests import fake_engine, fake_templates
from tests.app.talking import DirectTalk, Engine, new_session, prepare
from tests.reports.histories import HISTORIES, IMAGE, exported

TOOLS = [{"type": "function", "function": {"name": "w", "parameters": {"type": "object"}}}]

HOW_MANY = 30


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectTalk]:
    folder = tmp_path_factory.mktemp("templates")
    prepare(folder / "data", fake_engine.install(folder / "llama.cpp"))
    with DirectTalk(folder / "data", validate=False) as host:  # other tests hold each line to the schema
        yield host


@pytest.fixture(scope="module")
def engines(host: DirectTalk) -> dict[str, Engine]:
    """An engine with each template."""
    return {name: Engine(host, extra_args=["--template", name]) for name in fake_templates.NAMES}


def kept(host: DirectTalk, messages: list[dict[str, Any]], *, system: str | None = None) -> str:
    """A session with these messages."""
    session: str = host.call("import_session", content=exported(messages, system=system))["session_id"]
    return session


def codes(result: dict[str, Any]) -> list[str]:
    return [warning["code"] for warning in result["warnings"]]


def without_a_retry(error: dict[str, Any]) -> str:
    """The name of an error that says what to do, and not to try the same again."""
    data = error["data"]
    assert data["retryable"] is False
    assert data["hint"]
    assert data["remedies"]
    assert "restart_server" not in [remedy["action"] for remedy in data["remedies"]]
    name: str = data["name"]
    return name


def test_a_session_survives_histories_that_no_engine_takes(host: DirectTalk, engines: dict[str, Engine]) -> None:
    """llama.cpp#25510, OpenHands#13949, open-webui#10592, chatbox#2580, as a kind."""
    histories: list[list[dict[str, Any]]] = []

    @settings(max_examples=HOW_MANY, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None)
    @given(HISTORIES)
    def collect(history: list[dict[str, Any]]) -> None:
        histories.append(history)

    collect()
    for place, history in enumerate(histories):
        for name, engine in engines.items():
            session = kept(host, history, system="Be short." if place % 2 else None)
            counted = host.call("count_tokens", session_id=session, message="Go on.", server_id=engine.server_id)
            planned = host.call("preview_context", session_id=session, message="Go on.", server_id=engine.server_id)
            result = engine.say("Go on.", session)
            assert result["content"], (name, history)
            sent = engine.requests()[-1]
            assert fake_templates.refusal(name, sent) is None
            assert sent["messages"][-1]["content"].endswith("Go on.")
            assert counted["tokens"] == planned["input_length"] == result["usage"]["prompt_tokens"]
            stored = host.call("get_messages", session_id=session)["messages"]
            assert [m["content"] for m in stored[: len(history)]] == [m["content"] for m in history]
            if place % 5 == 0:
                assert engine.say("And again.", session)["content"]


def test_a_chat_goes_on_after_a_tool_call_that_was_cut(host: DirectTalk, engines: dict[str, Engine]) -> None:
    """llama.cpp#25510, OpenHands#13949: every later message, and `count_tokens`, was ENGINE_UNRESPONSIVE."""
    engine, session = engines["mistral"], new_session()
    request, channel = engine.begin_turn("replay=truncated", session, tools=TOOLS)
    answer = host.answer(request)["result"]
    assert (answer["finish_reason"], codes(answer)) == ("length", ["TOOL_CALL_INCOMPLETE"])
    assert [call["incomplete"] for call in answer["tool_calls"]] == [True]
    assert "tool_call" not in host.statuses(channel)
    for policy in ("error", "drop_oldest"):
        later = engine.say("text=Yes", session, context_policy=policy, tools=TOOLS)
        assert (later["content"], codes(later)) == ("Yes", ["HISTORY_ADAPTED"])
    host.call("count_tokens", session_id=session, server_id=engine.server_id)
    assert [role for role, _, _ in host.branch(session)] == ["user", "assistant"] * 3
    assert host.call("get_messages", session_id=session)["messages"][1]["tool_calls"] == answer["tool_calls"]


def test_a_chat_with_an_image_goes_on_with_a_model_that_cannot_see(
    host: DirectTalk, engines: dict[str, Engine]
) -> None:
    """open-webui#10592, chatbox#2580: NOT_SUPPORTED on every message."""
    session = kept(host, [{"role": "user", "content": "What is it?", "parts": [IMAGE]}])
    for name in ("chatml", "secret"):  # the second does not say that it cannot see
        answer = engines[name].say("text=Grey", session)
        assert codes(answer) == ["HISTORY_ADAPTED"]
        assert "image" in answer["warnings"][0]["message"]
    parts = [IMAGE, {"type": "text", "text": "And this?"}]
    for name in ("chatml", "secret"):
        error = host.fail("send_message", message=parts, session_id=session, server_id=engines[name].server_id)
        assert without_a_retry(error) == "NOT_SUPPORTED"
    assert len(host.branch(session)) == 5  # nothing of what was refused is kept
    assert engines["chatml"].say("text=Yes", session)["content"] == "Yes"


def test_a_question_with_an_image_is_answered_again_by_a_model_that_cannot_see(
    host: DirectTalk, engines: dict[str, Engine]
) -> None:
    session = kept(host, [{"role": "user", "content": "", "parts": [IMAGE]}, {"role": "assistant", "content": "Grey."}])
    answer = host.call("regenerate_message", session_id=session, server_id=engines["chatml"].server_id)
    assert codes(answer) == ["HISTORY_ADAPTED"]


def test_malformed_requests_are_refused_with_their_path_and_leave_nothing_behind(
    host: DirectTalk, engines: dict[str, Engine]
) -> None:
    """Found by trial: `tools: [{"name": "x"}]` was ENGINE_UNRESPONSIVE and left a session behind."""
    schema = {"type": "json_schema", "json_schema": {"schema": {"properties": {"a": {"type": "strin"}}}}}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"tools": [{"name": "x"}]}, "$.tools[0].type"),
        ({"tools": []}, "$.tools"),
        ({"tools": [*TOOLS, *TOOLS]}, "$.tools[1].function.name"),
        (
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "x"}}},
            "$.tool_choice.function.name",
        ),
        ({"tool_choice": "required"}, "$.tool_choice"),
        ({"response_format": schema}, "$.response_format.json_schema.schema.properties.a.type"),
    ]
    for params, path in cases:
        session = new_session()
        for engine in engines.values():
            error = host.fail("send_message", message="Hi", session_id=session, server_id=engine.server_id, **params)
            assert (without_a_retry(error), error["data"]["path"]) == ("INVALID_PARAMS", path)
        assert not host.has_session(session)


def test_reasoning_goes_back_within_a_tool_exchange_and_only_there(
    host: DirectTalk, engines: dict[str, Engine]
) -> None:
    """llama.cpp#21249: a model called tools without what it had thought."""
    call = {"id": "call_1", "type": "function", "function": {"name": "w", "arguments": "{}"}}
    history: list[dict[str, Any]] = [
        {"role": "user", "content": "text=a"},
        {"role": "assistant", "content": "", "reasoning": "I need the time.", "tool_calls": [call]},
    ]
    session, engine = kept(host, history), Engine(host)  # which says nothing of its template
    engine.say("", session, tool_results=[{"tool_call_id": "call_1", "content": "noon"}])
    within = engine.requests()[-1]["messages"]
    assert [m.get("reasoning_content") for m in within] == [None, "I need the time.", None]
    engine.say("text=b", session)
    assert not any("reasoning_content" in m for m in engine.requests()[-1]["messages"])
    engine.stop()


def test_an_answer_that_is_only_reasoning_keeps_its_turn(host: DirectTalk, engines: dict[str, Engine]) -> None:
    """LMSBT#1602: it was a success, and then gone from the history."""
    session, engine = new_session(), engines["gemma"]
    assert codes(engine.say("reasoning=2 tokens=0", session)) == ["ANSWER_EMPTY"]
    assert codes(engine.say("text=Yes", session)) == []
    assert [m["role"] for m in engine.requests()[-1]["messages"]] == ["user", "assistant", "user"]
