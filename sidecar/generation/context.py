"""What fits into a model's context, and which messages are dropped if not everything does.

Owns the policies. Decides on token counts from a given function; knows nothing of engines. The system prompt and the
newest exchange are never dropped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from sidecar.contract.sessions import ContextPolicy
from sidecar.generation.completion import ChatMessage

RESERVED_SHARE = 0.25
"""Share of the context kept free for the answer when messages are dropped and max_tokens is not given."""

Count = Callable[[Sequence[ChatMessage]], Awaitable[int]]
"""Exact tokens of the system prompt and these messages, rendered with the model's template."""


class Fit(msgspec.Struct, frozen=True):
    """What is sent.

    Attributes:
        dropped: the positions of the dropped messages; all others are sent.
        tokens: of what is sent; of everything if it does not fit.
        fits: whether it can be sent.
        reserved: tokens kept free for the answer.
    """

    dropped: range
    tokens: int
    fits: bool
    reserved: int


async def fit(
    messages: Sequence[ChatMessage],
    *,
    policy: ContextPolicy,
    max_context: int,
    max_tokens: int | None,
    count: Count,
) -> Fit:
    """Choose what to send.

    Whole exchanges are dropped, a question with its answer, as few as possible. They are found by bisection, so a
    thousand exchanges cost ten counts.

    Args:
        messages: the conversation, the new message last.
        policy: see `ContextPolicy`.
        max_context: tokens that prompt and answer may use together.
        max_tokens: the longest answer; `None` if the request does not limit it.
        count: counts tokens.
    """
    total = await count(messages)
    nothing = range(0)
    if policy == "error":
        return Fit(nothing, total, fits=total < max_context, reserved=0)
    reserved = min(max_tokens or max_context, int(max_context * RESERVED_SHARE))
    if total + reserved <= max_context:
        return Fit(nothing, total, fits=True, reserved=reserved)
    starts = exchange_starts(messages)
    kept_first = 1 if policy == "keep_ends" else 0
    low, high = 1, len(starts) - 1 - kept_first
    best: tuple[range, int] | None = None
    while low <= high:
        middle = (low + high) // 2
        dropped = range(starts[kept_first], starts[kept_first + middle])
        tokens = await count(without(messages, dropped))
        # With the most exchanges dropped, a shorter answer is better than none.
        room = reserved if middle < len(starts) - 1 - kept_first else 1
        if tokens + room <= max_context:
            best, high = (dropped, tokens), middle - 1
        else:
            low = middle + 1
    if best is None:
        fits = len(starts) <= 1 + kept_first and total < max_context
        return Fit(nothing, total, fits=fits, reserved=reserved)
    dropped, tokens = best
    return Fit(dropped, tokens, fits=True, reserved=reserved)


def exchange_starts(messages: Sequence[ChatMessage]) -> list[int]:
    """The positions where exchanges begin: each is a user message and all messages until the next one."""
    return [i for i, message in enumerate(messages) if i == 0 or message["role"] == "user"]


def without(messages: Sequence[ChatMessage], dropped: range) -> list[ChatMessage]:
    """The messages that are not dropped."""
    return [*messages[: dropped.start], *messages[dropped.stop :]] if dropped else list(messages)
