"""The order of messages: which roles may follow each other.

Owns the joining of messages of one role, the notes for messages that a template expects and that do not exist, and
where the system prompt stands.
"""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.generation.rendering.changes import NO_ANSWER, NO_QUESTION, Changes, ChatMessage
from sidecar.generation.rendering.content import joined

_PLAIN = {"role", "content"}


def in_turns(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Messages without empty answers, and with consecutive ones of one role joined: most templates, and the models
    behind them, know no two questions in a row."""
    out: list[ChatMessage] = []
    for message in messages:
        if message == {"role": "assistant", "content": ""}:
            continue
        if out and _can_join(out[-1], message):
            out[-1] = {"role": message["role"], "content": joined(out[-1]["content"], message["content"])}
        else:
            out.append(message)
    return out


def in_strict_turns(messages: Sequence[ChatMessage], changes: Changes) -> list[ChatMessage]:
    """Messages in turns where user and assistant alternate, the user first; calls of tools and their results do not
    count, as in the templates that demand it (Mistral, Gemma)."""
    out: list[ChatMessage] = []
    expected = "user"
    for message in messages:
        role = message["role"]
        if out and (role == "tool" or "tool_calls" in message):
            out.append(message)
            continue
        if role == "tool" or "tool_calls" in message or (role in ("user", "assistant") and role != expected):
            changes.add("gap")
            note = NO_QUESTION if expected == "user" else NO_ANSWER
            out.append({"role": expected, "content": note})
            expected = _other(expected)
        out.append(message)
        if role == expected and "tool_calls" not in message:
            expected = _other(expected)
    return out


def with_system(system: str | None, messages: list[ChatMessage], *, role: bool) -> list[ChatMessage]:
    """The messages with their system prompt: as the first one, or at the head of the user's first one where the
    template knows no such role."""
    if not system:
        return messages
    if role:
        return [{"role": "system", "content": system}, *messages]
    for place, message in enumerate(messages):
        if message["role"] == "user":
            first = {"role": "user", "content": joined(system, message["content"])}
            return [*messages[:place], first, *messages[place + 1 :]]
    return [{"role": "user", "content": system}, *messages]


def _can_join(a: ChatMessage, b: ChatMessage) -> bool:
    plain = set(a) == _PLAIN == set(b)
    return plain and a["role"] == b["role"] and a["role"] in ("user", "assistant")


def _other(role: str) -> str:
    return "assistant" if role == "user" else "user"
