"""How many tokens a prompt has at most, without asking its engine.

Pure. A token stands for at least one byte of its text, so a text has at most as many tokens as bytes. What the model's
template adds is learnt from the prompts that its engine has counted: whatever it adds once, such as a system prompt of
its own (up to 5,700 bytes in the templates that llama.cpp carries), is part of each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MESSAGE_TOKENS = 64
"""At most what a template adds to each message: the templates that llama.cpp carries (`models/templates`) add up to 120
bytes, most of it control tokens."""

_PLAIN = {"role", "content", "reasoning_content"}


class TokenBound:
    """What is known of one server's prompts."""

    def __init__(self) -> None:
        self._least: dict[bool, int] = {}

    def learn(self, body: dict[str, Any], tokens: int) -> None:
        """A prompt for this body has so many tokens."""
        key = _has_system(body)
        self._least[key] = min(self._least.get(key, tokens), tokens)

    def of(self, body: dict[str, Any]) -> int | None:
        """Tokens that a prompt for this body has at most; `None` if that cannot be known without counting: with tools
        and images, and before the first prompt of its kind."""
        least = self._least.get(_has_system(body))
        if least is None or "tools" in body:
            return None
        messages: Sequence[dict[str, Any]] = body["messages"]
        total = least + MESSAGE_TOKENS * len(messages)
        for message in messages:
            if not message.keys() <= _PLAIN:
                return None
            for value in (message.get("content"), message.get("reasoning_content")):
                if isinstance(value, str):
                    total += len(value.encode("utf-8", "replace"))
                elif value is not None:
                    return None
        return total


def _has_system(body: dict[str, Any]) -> bool:
    messages = body["messages"]
    return bool(messages) and messages[0]["role"] == "system"
