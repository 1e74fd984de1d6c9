"""A conversation in the form that the model at hand takes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.errors import NotSupported
from sidecar.engines.template_facts import TemplateFacts
from sidecar.generation.rendering.changes import (
    AUDIO_NOTE,
    IMAGE_NOTE,
    NO_ANSWER,
    NO_QUESTION,
    NO_RESULT,
    PART_NOTE,
    ChatMessage,
)
from sidecar.generation.rendering.rendered import rendered

CALL = {"id": "call_1", "type": "function", "function": {"name": "time", "arguments": "{}"}}
PARTS = [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]


def message(role: str, content: Any, **members: Any) -> ChatMessage:
    return {"role": role, "content": content, **members}


@pytest.mark.parametrize(
    ("system", "messages", "sent"),
    [
        (None, [], []),
        ("S", [], [{"role": "system", "content": "S"}]),
        ("", [message("user", "q")], [{"role": "user", "content": "q"}]),
        (
            "S",
            [message("user", "q"), message("assistant", "a"), message("user", "r")],
            [
                {"role": "system", "content": "S"},
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "a"},
                {"role": "user", "content": "r"},
            ],
        ),
        # An answer that was cancelled before its first word leaves two questions in a row.
        (
            None,
            [message("user", "q"), message("assistant", ""), message("user", "r")],
            [{"role": "user", "content": "q\n\nr"}],
        ),
        (
            None,
            [message("assistant", "a"), message("assistant", "b")],
            [{"role": "assistant", "content": "a\n\nb"}],
        ),
        (
            None,
            [message("user", PARTS), message("user", "again"), message("user", PARTS)],
            [{"role": "user", "content": [*PARTS, {"type": "text", "text": "again"}, *PARTS]}],
        ),
        (
            None,
            [
                message("user", "q"),
                message("assistant", "", tool_calls=[CALL]),
                message("tool", "noon", tool_call_id="call_1"),
                message("assistant", "It is noon."),
            ],
            [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "", "tool_calls": [CALL]},
                {"role": "tool", "content": "noon", "tool_call_id": "call_1"},
                {"role": "assistant", "content": "It is noon."},
            ],
        ),
    ],
)
def test_messages_are_sent_as(system: str | None, messages: list[ChatMessage], sent: list[dict[str, Any]]) -> None:
    assert conversation(system, messages) == sent


def conversation(system: str | None, messages: list[ChatMessage], **facts: Any) -> list[ChatMessage]:
    return rendered(system, messages, TemplateFacts(**facts)).messages


WITHIN_A_LINE = st.characters(exclude_characters="\n")


# Messages are joined by an empty line: no other line ends, so that it can be told what was said.
@given(st.lists(st.builds(message, st.sampled_from(["user", "assistant"]), st.text(WITHIN_A_LINE, max_size=5))))
def test_user_and_assistant_take_turns_and_nothing_is_lost(messages: list[ChatMessage]) -> None:
    sent = conversation(None, messages)
    roles = [message["role"] for message in sent]
    assert all(a != b for a, b in pairwise(roles))
    for role in ("user", "assistant"):
        said = "".join(m["content"] for m in messages if m["role"] == role)
        assert "".join(m["content"].replace("\n\n", "") for m in sent if m["role"] == role) == said


def call(id_: str, name: str = "time", arguments: str = "{}") -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}, "incomplete": False}


Q, A, R = message("user", "q"), message("assistant", "a"), message("user", "r")
SOUND = {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}
AWAY = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}


@pytest.mark.parametrize(
    ("facts", "messages", "sent", "said"),
    [
        pytest.param(
            {"vision": False},
            [message("user", PARTS), A, R],
            [("user", f"Look\n{IMAGE_NOTE}"), ("assistant", "a"), ("user", "r")],
            "1 image is replaced by a note",
            id="an image, for a model that cannot see",
        ),
        pytest.param(
            {"vision": True, "audio": False},
            [message("user", [*PARTS, SOUND, AWAY, {"type": "text"}, 7]), R],
            [("user", [*PARTS, *({"type": "text", "text": t} for t in (AUDIO_NOTE, *[PART_NOTE] * 3, "r"))])],
            "1 recording is replaced by a note; 3 parts",
            id="sound, an image elsewhere, and what is no part",
        ),
        pytest.param(
            {},
            [Q, message("assistant", "", tool_calls=[call("c", arguments='{"path": "s.txt", "content": "Once')]), R],
            [
                ("user", "q"),
                (
                    "assistant",
                    '[The call of the tool time was cut off and not carried out: {"path": "s.txt", "content"',
                ),
                ("user", "r"),
            ],
            "1 tool call with broken arguments",
            id="a call that was cut",
        ),
        pytest.param(
            {},
            [
                Q,
                message("assistant", "", tool_calls=[call("c", arguments='{"a": "b')]),
                message("tool", "", tool_call_id="c"),
            ],
            [("user", "q"), ("assistant", '{"a": "b"}'), ("tool", "")],
            "1 tool call with broken arguments",
            id="a call that was cut and has a result",
        ),
        pytest.param(
            {},
            [Q, message("assistant", "", tool_calls=[call("c"), call("d")]), message("tool", "x", tool_call_id="e"), R],
            [
                ("user", "q"),
                ("assistant", "{}"),
                ("tool", NO_RESULT),
                ("tool", NO_RESULT),
                ("user", "[Result of a tool:]\n\nx\n\nr"),
            ],
            "the result of 2 tool calls; 1 tool result without a call sent as text",
            id="calls without results, and a result without its call",
        ),
        pytest.param(
            {"tool_calls": False},
            [Q, message("assistant", "See.", tool_calls=[call("c")]), message("tool", "noon", tool_call_id="c"), R],
            [
                ("user", "q"),
                ("assistant", "See.\n\n[Call of the tool time: {}]"),
                ("user", "[Result of the tool time:]\n\nnoon\n\nr"),
            ],
            "1 tool call is sent as text",
            id="an exchange, for a template without tools",
        ),
        pytest.param(
            {"parallel_tool_calls": False, "short_call_ids": True},
            [
                Q,
                message("assistant", "", tool_calls=[call("c", "f"), call("c", "g", '"{\\"x\\":1}"')]),
                message("tool", "1", tool_call_id="c"),
                message("tool", "2", tool_call_id="c"),
            ],
            [("user", "q"), ("assistant", "{}"), ("tool", "1"), ("assistant", '{"x":1}'), ("tool", "2")],
            None,
            id="two calls of one id, for a template that takes one at a time",
        ),
        pytest.param(
            {"can_refuse": True, "system_role": False},
            [A, Q, message("assistant", "", tool_calls=[call("c")]), message("tool", "x", tool_call_id="c"), R, A],
            [
                ("user", f"S\n\n{NO_QUESTION}"),
                ("assistant", "a"),
                ("user", "q"),
                ("assistant", "{}"),
                ("tool", "x"),
                ("assistant", NO_ANSWER),
                ("user", "r"),
                ("assistant", "a"),
            ],
            "a note stands for 2 messages",
            id="turns that are missing, for a strict template without a system role",
        ),
        pytest.param(
            {"can_refuse": True},
            [Q, message("system", "Be short."), A, message("developer", "x"), message("function", "y")],
            [
                ("user", "q\n\n[system:]\n\nBe short."),
                ("assistant", "a"),
                ("user", "[developer:]\n\nx\n\n[function:]\n\ny"),
            ],
            "3 messages of a role",
            id="roles that a template refuses",
        ),
        pytest.param(
            {},
            [Q, message("assistant", "", reasoning_content="hm"), R],
            [("user", "q"), ("assistant", NO_ANSWER), ("user", "r")],
            None,
            id="an answer that is only reasoning keeps its turn",
        ),
    ],
)
def test_what_a_model_cannot_take_is_sent_in_another_form(
    facts: dict[str, Any], messages: list[ChatMessage], sent: list[tuple[str, Any]], said: str | None
) -> None:
    result = rendered("S", messages, TemplateFacts(**facts))
    got = [message for message in result.messages if message["role"] != "system"]
    assert [message["role"] for message in got] == [role for role, _ in sent]
    for one, (_, content) in zip(got, sent, strict=True):
        if "tool_calls" in one:
            assert [c["function"]["arguments"] for c in one["tool_calls"]] in ([content], [content] * 2)
        elif isinstance(content, str) and content.startswith("[The call"):
            assert one["content"].startswith(content)
        else:
            assert one["content"] == content
    ids = [c["id"] for one in got for c in one.get("tool_calls", ())]
    assert ids == [one["tool_call_id"] for one in got if one["role"] == "tool"]
    if facts.get("short_call_ids"):
        assert all(len(id_) == 9 and id_.isalnum() for id_ in ids)
        assert len(set(ids)) == len(ids)
    warning = result.changes.warning()
    assert (warning is None) == (said is None)
    assert said is None or (warning is not None and said in warning.message)


def test_what_is_new_in_a_message_is_refused_and_not_replaced() -> None:
    messages = [message("user", PARTS), A, message("user", PARTS)]
    with pytest.raises(NotSupported, match="takes no images"):
        rendered(None, messages, TemplateFacts(vision=False), new=1)
    assert PARTS[1] in rendered(None, messages, TemplateFacts(), new=1, plain=True).messages[-1]["content"]


def test_reasoning_is_sent_back_within_a_tool_exchange_and_not_after_it() -> None:
    def thought(**members: Any) -> ChatMessage:
        return message("assistant", "", reasoning_content="hm", **members)

    exchange = [thought(tool_calls=[CALL]), message("tool", "x", tool_call_id="call_1")]
    within = conversation(None, [Q, *exchange])
    assert [m.get("reasoning_content") for m in within] == [None, "hm", None]
    after = conversation(None, [Q, *exchange, thought(), R])
    assert not any("reasoning_content" in m for m in after)
    assert not any("reasoning_content" in m for m in conversation(None, [Q, *exchange], reasoning=False))
