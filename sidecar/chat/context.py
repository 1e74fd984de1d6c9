"""What fits into a model's context, and what is left out where not everything does.

Owns the policies. Decides on counts that it asks for; knows nothing of engines. The system prompt and the newest
exchange are never left out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from sidecar.chat.messages import StoredMessage
from sidecar.contract.sessions import ContextPolicy

RESERVED_SHARE = 0.25
"""Share of the context kept free for the answer when messages are left out and max_tokens is not given."""

Count = Callable[[Sequence[StoredMessage]], Awaitable[int]]
"""Exact tokens of the system prompt and these messages, with the model's template around them."""


class Fit(msgspec.Struct, frozen=True):
    """What is sent.

    Attributes:
        sent: the messages, oldest first.
        dropped: those left out.
        tokens: of what is sent; of everything where it does not fit.
        fits: whether it can be sent.
        reserved: tokens kept free for the answer.
    """

    sent: list[StoredMessage]
    dropped: list[StoredMessage]
    tokens: int
    fits: bool
    reserved: int


async def fit(
    messages: Sequence[StoredMessage],
    *,
    policy: ContextPolicy,
    max_context: int,
    max_tokens: int | None,
    count: Count,
) -> Fit:
    """Choose what to send.

    Whole exchanges are left out, a question with its answer, as few as will do: found by halving, so a thousand
    exchanges cost ten counts.

    Args:
        messages: the branch, the new message last.
        policy: see `ContextPolicy`.
        max_context: tokens that prompt and answer may use together.
        max_tokens: longest answer, where the host has named one.
        count: counts.
    """
    total = await count(messages)
    everything = list(messages)
    if policy == "error":
        return Fit(everything, [], total, fits=total < max_context, reserved=0)
    reserved = min(max_tokens or max_context, int(max_context * RESERVED_SHARE))
    if total + reserved <= max_context:
        return Fit(everything, [], total, fits=True, reserved=reserved)
    exchanges = split_exchanges(messages)
    kept_first = 1 if policy == "keep_ends" else 0
    low, high = 1, len(exchanges) - 1 - kept_first
    best: tuple[int, int] | None = None
    while low <= high:
        middle = (low + high) // 2
        tokens = await count(_without(exchanges, kept_first, middle)[0])
        # With the most left out that can be, a shorter answer is better than none.
        room = reserved if middle < len(exchanges) - 1 - kept_first else 1
        if tokens + room <= max_context:
            best, high = (middle, tokens), middle - 1
        else:
            low = middle + 1
    if best is None:
        fits = len(exchanges) <= 1 + kept_first and total < max_context
        return Fit(everything, [], total, fits=fits, reserved=reserved)
    sent, dropped = _without(exchanges, kept_first, best[0])
    return Fit(sent, dropped, best[1], fits=True, reserved=reserved)


def split_exchanges(messages: Sequence[StoredMessage]) -> list[list[StoredMessage]]:
    """Messages in groups that belong together: a user message and all that follows until the next one."""
    exchanges: list[list[StoredMessage]] = []
    for message in messages:
        if message.role == "user" or not exchanges:
            exchanges.append([])
        exchanges[-1].append(message)
    return exchanges


def _without(
    exchanges: list[list[StoredMessage]], kept_first: int, left_out: int
) -> tuple[list[StoredMessage], list[StoredMessage]]:
    """The messages that stay, and those of `left_out` exchanges after the first `kept_first` ones."""
    gap = range(kept_first, kept_first + left_out)
    stay = [m for i, exchange in enumerate(exchanges) if i not in gap for m in exchange]
    gone = [m for i in gap for m in exchanges[i]]
    return stay, gone
