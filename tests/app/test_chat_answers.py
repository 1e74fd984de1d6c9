"""Answers of a whole sidecar with the fake engine: what streams, what is asked of the engine, what is kept."""

from __future__ import annotations

from typing import Any

import pytest

from tests.app.talking import Engine, Talking, assert_gapless, new_session, words
from tests.pictures import DOT, DOT_BYTES, DOT_URL

TIME_TOOL = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}


def test_an_answer_streams_in_order_and_ends_before_its_response(talk: Talking) -> None:
    session = new_session()
    request, channel = talk.begin_turn("tokens=20", session)
    talk.until(lambda: any(e["event"]["status"] == "done" for e in talk.events.get(channel, [])))
    assert request not in talk._answers  # the last event comes before the response
    response = talk.answer(request)["result"]
    events = talk.events[channel]
    assert events[0]["seq"] == 1
    assert_gapless(events)
    assert talk.statuses(channel) == ["queued", "prefill", "token", "done"]
    assert events[0]["event"] == {"status": "queued", "position": 0, "session_id": session}
    assert talk.text(channel) == response["content"] == words(20)
    assert events[-1]["event"] == {"status": "done", **response}
    assert response["finish_reason"] == "stop"
    assert response["usage"] == {"prompt_tokens": 3, "completion_tokens": 20, "cached_tokens": 0}
    assert response["context"] == {
        "policy": "error",
        "max_context": 4096,
        "used": 23,
        "dropped_messages": 0,
    }
    assert response["warnings"] == []
    timings = response["timings"]
    assert (timings["prompt_per_second"], timings["predicted_per_second"]) == (1000.0, 100.0)
    assert 0 < timings["ttft_ms"] <= timings["total_ms"]


def test_without_a_channel_only_the_response_comes(talk: Talking) -> None:
    before = dict(talk.events)
    assert talk.say("tokens=3")["content"] == words(3)
    assert talk.events == before


def test_an_answer_is_kept_with_its_figures(talk: Talking) -> None:
    session = new_session()
    answer = talk.say("tokens=2", session)
    page = talk.call("get_messages", session_id=session)
    question, kept = page["messages"]
    assert (page["branch"], page["has_more"]) == (kept["message_id"], False)
    assert (question["message_id"], question["role"], question["content"]) == (
        *(answer["user_message_id"], "user"),
        "tokens=2",
    )
    assert (kept["message_id"], kept["parent_id"]) == (answer["message_id"], question["message_id"])
    assert (kept["role"], kept["content"], kept["state"], kept["model"]) == (
        *("assistant", words(2), "complete"),
        "tiny",
    )
    for name in ("finish_reason", "usage", "timings"):
        assert kept[name] == answer[name]


def test_a_conversation_goes_on(engine: Engine) -> None:
    session = new_session()
    engine.say("text=Hello", session, system="Be brief.")
    engine.say("text=again", session)
    assert engine.requests()[-1]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "text=Hello"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "text=again"},
    ]


@pytest.mark.parametrize("text", ["é🦙\u2028中文\u0085 \u2029x", 'a\\n\\t"quoted" {json}', "nul \0 in it"])
def test_any_text_comes_back_as_it_was_said(talk: Talking, text: str) -> None:
    session = new_session()
    _, channel = request, channel = talk.begin_turn(f"text={text}", session)
    assert talk.answer(request)["result"]["content"] == talk.text(channel) == text
    assert talk.branch(session) == [("user", f"text={text}", "complete"), ("assistant", text, "complete")]


def test_text_is_whole_though_the_engine_sends_single_bytes(talk: Talking) -> None:
    engine = Engine(talk, extra_args=["--split-utf8"])
    try:
        assert engine.say("text=é🦙 中文")["content"] == "é🦙 中文"
    finally:
        engine.stop()


def test_reasoning_comes_before_the_answer_and_is_kept(talk: Talking) -> None:
    session = new_session()
    request, channel = talk.begin_turn("reasoning=3 tokens=2", session)
    response = talk.answer(request)["result"]
    assert talk.statuses(channel) == ["queued", "prefill", "reasoning", "token", "done"]
    thoughts = [e["event"]["reasoning"] for e in talk.events[channel] if e["event"]["status"] == "reasoning"]
    assert "".join(thoughts) == response["reasoning"] == "r1 r2 r3 "
    assert talk.call("get_messages", session_id=session)["messages"][1]["reasoning"] == "r1 r2 r3 "


def test_a_tool_is_called_and_its_result_answered(engine: Engine, talk: Talking) -> None:
    session = new_session()
    request, channel = engine.begin_turn("tool=get_time", session, tools=[TIME_TOOL], tool_choice="auto")
    response = talk.answer(request)["result"]
    call = {"id": "call_1", "type": "function", "function": {"name": "get_time", "arguments": '{"zone": "UTC"}'}}
    assert talk.statuses(channel) == ["queued", "prefill", "tool_call", "done"]
    assert talk.event(channel, "tool_call") == {"status": "tool_call", "tool_call": call}
    assert (response["finish_reason"], response["tool_calls"], response["content"]) == ("tool_calls", [call], "")
    results = [{"tool_call_id": "call_1", "content": "noon"}]
    engine.say("", session, tool_results=results, tools=[TIME_TOOL])
    last = engine.requests()[-1]
    assert last["tools"] == [TIME_TOOL]
    assert last["messages"][1:] == [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "noon", "tool_call_id": "call_1"},
    ]
    assert [role for role, _, _ in talk.branch(session)] == ["user", "assistant", "tool", "assistant"]


def test_settings_go_to_the_engine_as_they_are(engine: Engine) -> None:
    settings: dict[str, Any] = {
        "temperature": 0,
        "top_p": 0.9,
        "top_k": 0,
        "min_p": 0.05,
        "max_tokens": 5,
        "repeat_penalty": 1.1,
        "seed": 7,
        "response_format": {"type": "json_object"},
    }
    answer = engine.say("tokens=9", stop="END", reasoning=False, **settings)
    request = engine.requests()[-1]
    assert {name: request[name] for name in settings} == settings
    assert (request["stop"], request["chat_template_kwargs"]) == (["END"], {"enable_thinking": False})
    assert (answer["finish_reason"], answer["content"]) == ("length", words(5))


def test_settings_come_from_message_preset_session_and_config_in_this_order(engine: Engine, talk: Talking) -> None:
    session = new_session()
    talk.call(
        "set_config",
        patch={
            "chat": {"temperature": 0.1, "top_p": 0.1, "top_k": 1, "seed": 1},
            "chat_presets": {"p": {"temperature": 0.3, "top_p": 0.3}},
        },
    )
    try:
        talk.call("create_session", session_id=session, config={"temperature": 0.2, "top_p": 0.2, "top_k": 2})
        engine.say("tokens=1", session, preset="p", temperature=0.4)
    finally:
        talk.call("reset_config", keys=["chat", "chat_presets"])
    request = engine.requests()[-1]
    assert [request[name] for name in ("temperature", "top_p", "top_k", "seed")] == [0.4, 0.3, 2, 1]


def test_images_go_to_the_engine_as_data_urls(engine: Engine, talk: Talking, tmp_path: Any) -> None:
    file = tmp_path / "a picture"
    file.write_bytes(DOT_BYTES)
    session = new_session()
    engine.say("text=seen", session, images=[str(file), DOT, DOT_URL])
    parts = [{"type": "text", "text": "text=seen"}, *[{"type": "image_url", "image_url": {"url": DOT_URL}}] * 3]
    assert engine.requests()[-1]["messages"] == [{"role": "user", "content": parts}]
    question = talk.call("get_messages", session_id=session)["messages"][0]
    assert (question["content"], question["parts"]) == ("text=seen", parts)


def test_the_older_one_string_form_makes_a_session_with_its_history(engine: Engine, talk: Talking) -> None:
    said = "<|system|>Be brief.<|end|><|user|>One?<|end|><|assistant|>Two.<|end|><|user|>tokens=1<|end|><|assistant|>"
    session = new_session()
    engine.say(said, session, message_format="tagged")
    assert [message["content"] for message in engine.requests()[-1]["messages"]] == [
        *("Be brief.", "One?", "Two."),
        "tokens=1",
    ]
    assert [content for _, content, _ in talk.branch(session)] == ["One?", "Two.", "tokens=1", words(1)]
    kept = talk.call("get_session", session_id=session)
    assert (kept["title"], kept["system"]) == ("One?", "Be brief.")


# --- the context -------------------------------------------------------------------------------------------


def fill(engine: Engine, session: str, exchanges: int) -> None:
    """Exchanges of a hundred tokens each: 2 and 94 words, and two for the template around each message."""
    for i in range(exchanges):
        engine.say(f"number-{i} tokens=94", session)


@pytest.fixture
def small(talk: Talking) -> Any:
    engine = Engine(talk, ctx_size=500)
    yield engine
    engine.stop()


@pytest.mark.parametrize(("policy", "kept"), [("drop_oldest", [1, 2, 3]), ("keep_ends", [0, 2, 3])])
def test_what_does_not_fit_is_left_out_and_counted(small: Engine, talk: Talking, policy: str, kept: list[int]) -> None:
    session = new_session()
    fill(small, session, 4)
    preview = talk.call("preview_context", session_id=session, message="tokens=3", context_policy=policy)
    answer = small.say("tokens=3", session, context_policy=policy)
    sent = [message["content"] for message in small.requests()[-1]["messages"]]
    exchanges = [text for i in kept for text in (f"number-{i} tokens=94", words(94))]
    assert sent == [*exchanges, "tokens=3"]
    assert answer["context"]["dropped_messages"] == len(preview["dropped"]) == 2
    assert (answer["context"]["policy"], answer["context"]["max_context"]) == (policy, 500)
    assert preview["input_length"] == answer["usage"]["prompt_tokens"]
    assert len(talk.branch(session)) == 10


def test_a_prompt_that_is_too_long_leaves_no_trace(small: Engine, talk: Talking) -> None:
    too_long = "word " * 600
    session = new_session()
    request, channel = small.begin_turn(too_long, session)
    error = talk.error_of(request)
    assert (error["data"]["name"], error["data"]["max_context"], error["data"]["input_length"]) == (
        *("CONTEXT_TOO_LONG", 500),
        602,
    )
    assert talk.event(channel, "error")["error"] == error
    assert not talk.has_session(session)
    small.say("tokens=1", session)
    before = talk.call("get_session", session_id=session)
    for policy in ("error", "drop_oldest", "keep_ends"):
        request, _ = small.begin_turn(too_long, session, context_policy=policy)
        assert talk.error_of(request)["data"]["name"] == "CONTEXT_TOO_LONG"
    after = talk.call("get_session", session_id=session)
    assert (after["head"], after["message_count"]) == (before["head"], 2)


def test_tokens_are_counted_as_they_would_be_sent(small: Engine, talk: Talking) -> None:
    session = new_session()
    small.say("tokens=3", session, system="Be very brief.")
    count = {"server_id": small.server_id}
    assert talk.call("count_tokens", text="one two three", **count) == {"tokens": 3, "max_context": 500}
    # Three messages of 3 + 1 + 3 words and one of two, and two for the template around each.
    assert talk.call("count_tokens", session_id=session, message="one two", **count)["tokens"] == 9 + 4 * 2
