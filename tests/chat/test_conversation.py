"""The branch of a session in the form that engines take."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.chat.messages import StoredMessage
from sidecar.chat.prompt import conversation
from sidecar.contract.sessions import ToolCall, ToolFunction
from tests.chat.rows import a_message

CALL = ToolCall(id="call_1", type="function", function=ToolFunction(name="time", arguments="{}"))
CALL_SENT = {"id": "call_1", "type": "function", "function": {"name": "time", "arguments": "{}"}}
PARTS = [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]


@pytest.mark.parametrize(
    ("system", "branch", "sent"),
    [
        (None, [], []),
        ("S", [], [{"role": "system", "content": "S"}]),
        ("", [a_message("user", "q")], [{"role": "user", "content": "q"}]),
        (
            "S",
            [a_message("user", "q"), a_message("assistant", "a"), a_message("user", "r")],
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
            [a_message("user", "q"), a_message("assistant", "", state="cancelled"), a_message("user", "r")],
            [{"role": "user", "content": "q\n\nr"}],
        ),
        (
            None,
            [a_message("assistant", "a", state="error"), a_message("assistant", "b")],
            [{"role": "assistant", "content": "a\n\nb"}],
        ),
        (
            None,
            [a_message("user", "Look", parts=PARTS), a_message("user", "again"), a_message("user", "!", parts=PARTS)],
            [{"role": "user", "content": [*PARTS, {"type": "text", "text": "again"}, *PARTS]}],
        ),
        (
            None,
            [
                a_message("user", "q"),
                a_message("assistant", "", tool_calls=[CALL]),
                a_message("tool", "noon", tool_call_id="call_1"),
                a_message("tool", "noon", tool_call_id="call_2"),
                a_message("assistant", "It is noon.", reasoning="Noon, then."),
            ],
            [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "", "tool_calls": [CALL_SENT]},
                {"role": "tool", "content": "noon", "tool_call_id": "call_1"},
                {"role": "tool", "content": "noon", "tool_call_id": "call_2"},
                {"role": "assistant", "content": "It is noon."},
            ],
        ),
    ],
)
def test_a_branch_is_sent_as(system: str | None, branch: list[StoredMessage], sent: list[dict[str, Any]]) -> None:
    assert conversation(system, branch) == sent


WITHIN_A_LINE = st.characters(exclude_characters="\n")


# Messages are joined by an empty line: no other line ends, so that it can be told what was said.
@given(st.lists(st.builds(a_message, st.sampled_from(["user", "assistant"]), st.text(WITHIN_A_LINE, max_size=5))))
def test_user_and_assistant_take_turns_and_nothing_is_lost(branch: list[StoredMessage]) -> None:
    sent = conversation(None, branch)
    roles = [message["role"] for message in sent]
    assert all(a != b for a, b in pairwise(roles))
    for role in ("user", "assistant"):
        said = "".join(m.content for m in branch if m.role == role)
        assert "".join(m["content"].replace("\n\n", "") for m in sent if m["role"] == role) == said
