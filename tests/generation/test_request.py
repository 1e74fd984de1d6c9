"""Messages in the form that engines take."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.generation.completion import ChatMessage, conversation

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
                message("tool", "noon", tool_call_id="call_2"),
                message("assistant", "It is noon."),
            ],
            [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "", "tool_calls": [CALL]},
                {"role": "tool", "content": "noon", "tool_call_id": "call_1"},
                {"role": "tool", "content": "noon", "tool_call_id": "call_2"},
                {"role": "assistant", "content": "It is noon."},
            ],
        ),
    ],
)
def test_messages_are_sent_as(system: str | None, messages: list[ChatMessage], sent: list[dict[str, Any]]) -> None:
    assert conversation(system, messages) == sent


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
