"""What is left out of a conversation that outgrows the model's context."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.sessions import ContextPolicy
from sidecar.generation.completion import ChatMessage
from sidecar.generation.context import RESERVED_SHARE, Fit, exchange_starts, fit, without

pytestmark = pytest.mark.anyio

SYSTEM_TOKENS = 10


def message(role: str, content: str) -> ChatMessage:
    return {"role": role, "content": content}


def sent(messages: list[ChatMessage], found: Fit) -> list[ChatMessage]:
    return without(messages, found.dropped)


def dropped(messages: list[ChatMessage], found: Fit) -> list[ChatMessage]:
    return [messages[i] for i in found.dropped]


def split_exchanges(messages: list[ChatMessage]) -> list[list[ChatMessage]]:
    starts = exchange_starts(messages)
    return [messages[a:b] for a, b in zip(starts, [*starts[1:], len(messages)], strict=True)]


class Counter:
    """Counts a message as its number of letters, and the system prompt as ten; remembers how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, messages: Sequence[ChatMessage]) -> int:
        self.asked += 1
        return tokens_of(messages)


def tokens_of(messages: Sequence[ChatMessage]) -> int:
    return SYSTEM_TOKENS + sum(len(message["content"]) for message in messages)


def talk(*sizes: int) -> list[ChatMessage]:
    """Exchanges of such sizes, each half question and half answer, and a new question of the last size."""
    said: list[ChatMessage] = []
    for number, size in enumerate(sizes[:-1]):
        said.append(message("user", str(number % 10) * (size - size // 2)))
        said.append(message("assistant", str(number % 10) * (size // 2)))
    return [*said, message("user", "n" * sizes[-1])]


async def fitted(
    messages: list[ChatMessage], policy: ContextPolicy, max_context: int, max_tokens: int | None = None
) -> tuple[Fit, int]:
    count = Counter()
    found = await fit(messages, policy=policy, max_context=max_context, max_tokens=max_tokens, count=count)
    return found, count.asked


@pytest.mark.parametrize(
    ("sizes", "policy", "max_context", "max_tokens", "left_out", "tokens", "fits"),
    [
        # error: one token of room for the answer is enough, and nothing is ever left out
        ((20, 20, 10), "error", 61, None, [], 60, True),
        ((20, 20, 10), "error", 60, None, [], 60, False),
        # everything fits together with the room for the answer: a quarter of the context
        ((20, 20, 10), "drop_oldest", 80, None, [], 60, True),
        ((20, 20, 10), "keep_ends", 80, None, [], 60, True),
        # … or less where a shorter answer is wanted
        ((20, 20, 10), "drop_oldest", 65, 5, [], 60, True),
        # as few exchanges as will do, the oldest first
        ((20, 20, 10), "drop_oldest", 78, None, [0], 40, True),
        ((20, 20, 20, 10), "drop_oldest", 60, None, [0, 1], 40, True),
        ((20, 20, 10), "drop_oldest", 50, None, [0, 1], 20, True),
        # with nothing more to leave out, a shorter answer is better than none
        ((20, 20, 10), "drop_oldest", 21, None, [0, 1], 20, True),
        ((20, 20, 10), "drop_oldest", 20, None, [], 60, False),
        # the first exchange stays
        ((20, 20, 10), "keep_ends", 78, None, [1], 40, True),
        ((20, 20, 20, 10), "keep_ends", 80, None, [1], 60, True),
        ((20, 20, 20, 10), "keep_ends", 70, None, [1, 2], 40, True),
        ((20, 20, 10), "keep_ends", 41, None, [1], 40, True),
        ((20, 20, 10), "keep_ends", 40, None, [], 60, False),
        # a new question alone, or after one exchange that must stay: a shorter answer, or none
        ((10,), "drop_oldest", 21, None, [], 20, True),
        ((10,), "drop_oldest", 20, None, [], 20, False),
        ((20, 10), "keep_ends", 41, None, [], 40, True),
        ((20, 10), "keep_ends", 40, None, [], 40, False),
        ((20, 10), "drop_oldest", 40, None, [0], 20, True),
    ],
)
async def test_what_is_left_out(
    sizes: tuple[int, ...],
    policy: ContextPolicy,
    max_context: int,
    max_tokens: int | None,
    left_out: list[int],
    tokens: int,
    fits: bool,
) -> None:
    messages = talk(*sizes)
    found, _ = await fitted(messages, policy, max_context, max_tokens)
    exchanges = split_exchanges(messages)
    assert dropped(messages, found) == [message for i in left_out for message in exchanges[i]]
    assert sent(messages, found) == [message for i, one in enumerate(exchanges) if i not in left_out for message in one]
    assert (found.tokens, found.fits) == (tokens, fits)


async def test_an_exchange_with_tool_calls_goes_as_a_whole() -> None:
    first = [
        message("user", "q" * 9),
        message("assistant", "c"),
        message("tool", "t"),
        message("assistant", "a"),
    ]
    new = message("user", "n" * 9)
    found, _ = await fitted([*first, new], "drop_oldest", 30)
    assert (sent([*first, new], found), found.dropped) == ([new], range(4))


async def test_results_of_tools_belong_to_the_newest_exchange() -> None:
    old = [message("user", "o" * 20), message("assistant", "a" * 20)]
    newest = [message("user", "q" * 5), message("assistant", "c"), message("tool", "t")]
    found, _ = await fitted([*old, *newest], "drop_oldest", 25)
    assert (sent([*old, *newest], found), found.dropped) == (newest, range(2))


POLICIES: Any = st.sampled_from(["drop_oldest", "keep_ends"])
SIZES = st.lists(st.integers(2, 60), min_size=1, max_size=80)


@given(sizes=SIZES, policy=POLICIES, max_context=st.integers(1, 2000), max_tokens=st.none() | st.integers(1, 500))
async def test_of_any_conversation_the_newest_exchange_stays_and_as_much_else_as_fits(
    sizes: list[int], policy: ContextPolicy, max_context: int, max_tokens: int | None
) -> None:
    messages = talk(*sizes)
    exchanges = split_exchanges(messages)
    found, asked = await fitted(messages, policy, max_context, max_tokens)

    kept, gone = sent(messages, found), dropped(messages, found)
    assert kept[-1] is messages[-1]
    assert [id(one) for one in messages if any(one is other for other in kept)] == [id(one) for one in kept]
    assert len(kept) + len(gone) == len(messages)
    if policy == "keep_ends" and len(exchanges) > 1:
        assert kept[0] is messages[0]
    assert asked <= 2 + math.log2(len(exchanges))

    assert found.tokens == tokens_of(kept)
    kept_first = 1 if policy == "keep_ends" else 0
    middle = exchanges[kept_first:-1]
    if not found.fits:
        least = tokens_of([*messages[: kept_first and len(exchanges[0])], *exchanges[-1]])
        assert gone == []
        assert (least if len(exchanges) > 1 else tokens_of(messages)) + 1 > max_context
        return
    assert found.tokens < max_context
    # With one exchange less left out it would not fit with the room for the answer.
    if gone:
        back = middle[len(split_exchanges(gone)) - 1]
        assert found.tokens + len("".join(m["content"] for m in back)) + found.reserved > max_context
    assert found.reserved <= max_context * RESERVED_SHARE


@given(sizes=SIZES, policy=POLICIES, max_context=st.integers(1, 2000), more=st.integers(0, 500))
async def test_a_larger_context_never_leaves_out_more(
    sizes: list[int], policy: ContextPolicy, max_context: int, more: int
) -> None:
    messages = talk(*sizes)
    small, _ = await fitted(messages, policy, max_context, 1)
    large, _ = await fitted(messages, policy, max_context + more, 1)
    if small.fits:
        assert large.fits
        assert len(large.dropped) <= len(small.dropped)


async def test_a_thousand_exchanges_cost_a_dozen_counts() -> None:
    found, asked = await fitted(talk(*[10] * 1000), "drop_oldest", 4096)
    assert found.dropped
    assert asked <= 12
