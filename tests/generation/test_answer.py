"""An answer adds up to the same however its stream is cut."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.chat import TurnPrefill, TurnToolCall
from sidecar.contract.sessions import ToolCall, ToolFunction
from sidecar.engines.client.chat_chunk import (
    ChatChunk,
    Choice,
    Delta,
    FunctionDelta,
    PromptProgress,
    ToolCallDelta,
    UsageCount,
)
from sidecar.events.event_log import EventLog, Text, status_of
from sidecar.generation.answer import Answer

GENERATED = UsageCount(prompt_tokens=1, completion_tokens=1)
"""The engine generated something, if only the token of the end: an empty answer is one."""


def chunk(*, finish: str | None = None, **delta: Any) -> ChatChunk:
    return ChatChunk(choices=[Choice(delta=Delta(**delta), finish_reason=finish)], usage=GENERATED if finish else None)


def call(name: str, arguments: str, *, id_: str = "") -> ToolCall:
    return ToolCall(id=id_, type="function", function=ToolFunction(name=name, arguments=arguments))


def add_up(chunks: list[ChatChunk]) -> tuple[Answer, list[Any]]:
    """The answer, and its events as (status, text) or as they are."""
    events = EventLog()
    answer = Answer(events)
    for one in chunks:
        answer.add([one])
    answer.add([ChatChunk(usage=answer.usage or GENERATED)])
    answer.end()
    entries = [entry for _, entry in events.read(0)]
    return answer, [(entry.status, entry.text) if isinstance(entry, Text) else entry for entry in entries]


def cut(text: str, sizes: list[int]) -> list[str]:
    """A text in pieces of these sizes, in turns."""
    pieces, at = [], 0
    for size in sizes or [1]:
        pieces.append(text[at : at + size])
        at += size
    return [*pieces, text[at:]]


@given(reasoning=st.text(), content=st.text(), sizes=st.lists(st.integers(0, 5), max_size=30))
def test_text_and_reasoning_are_the_pieces_together(reasoning: str, content: str, sizes: list[int]) -> None:
    chunks = [chunk(reasoning_content=piece) for piece in cut(reasoning, sizes)]
    chunks += [chunk(content=piece) for piece in cut(content, sizes)]
    answer, events = add_up([*chunks, chunk(finish="stop")])
    assert (answer.reasoning, answer.content, answer.finish_reason) == (reasoning, content, "stop")
    assert events == [event for event in [("reasoning", reasoning), ("token", content)] if event[1]]
    assert answer.is_empty == (not reasoning and not content)


ARGUMENTS = st.dictionaries(st.text(), st.text(), max_size=2).map(json.dumps) | st.text()
CALLS = st.lists(st.tuples(st.text(min_size=1).filter(str.strip), ARGUMENTS), max_size=4)


@given(calls=CALLS, sizes=st.lists(st.integers(0, 3), max_size=10), mixed=st.randoms(use_true_random=False))
def test_tool_calls_are_told_whole_and_once_however_their_pieces_are_mixed(
    calls: list[tuple[str, str]], sizes: list[int], mixed: Any
) -> None:
    streams = []
    for i, (name, arguments) in enumerate(calls):
        first = ToolCallDelta(index=i, id=f"call_{i}", function=FunctionDelta(name=name))
        pieces = [ToolCallDelta(index=i, function=FunctionDelta(arguments=piece)) for piece in cut(arguments, sizes)]
        streams.append([first, *pieces])
    order = [i for i, stream in enumerate(streams) for _ in stream]
    mixed.shuffle(order)
    chunks = [chunk(tool_calls=[streams[i].pop(0)]) for i in order]
    answer, events = add_up([*chunks, chunk(finish="tool_calls")])
    whole = [
        call(name, arguments if arguments.strip() else "{}", id_=f"call_{i}")
        for i, (name, arguments) in enumerate(calls)
    ]
    unmarked = [msgspec.structs.replace(one, incomplete=msgspec.UNSET) for one in answer.tool_calls]
    assert unmarked == whole
    usable = [one for one in answer.tool_calls if one.incomplete is msgspec.UNSET]
    assert events == [TurnToolCall(tool_call=one) for one in usable]


def test_the_pieces_of_a_call_that_broke_off_are_no_call() -> None:
    answer = Answer(EventLog())
    piece = ToolCallDelta(index=0, id="call_1", function=FunctionDelta(name="f", arguments="{"))
    answer.add([chunk(tool_calls=[piece])])
    assert answer.tool_calls == []
    assert answer.is_empty


def test_reasoning_comes_before_the_text_of_the_same_chunk() -> None:
    _, events = add_up([chunk(content="a", reasoning_content="r")])
    assert events == [("reasoning", "r"), ("token", "a")]


def test_progress_is_told_only_until_the_answer_begins() -> None:
    def progress(processed: int) -> ChatChunk:
        return ChatChunk(prompt_progress=PromptProgress(total=9, processed=processed, cache=1))

    _, events = add_up([progress(3), progress(9), chunk(content="a"), progress(9)])
    assert events == [TurnPrefill(processed=9, total=9, cached=1), ("token", "a")]


def test_unread_text_is_one_event_and_read_text_is_left_alone() -> None:
    events = EventLog()
    answer = Answer(events)
    for text in ("a", "b"):
        answer.add([chunk(content=text)])
    assert [(seq, status_of(entry)) for seq, entry in events.read(0)] == [(1, "token")]
    answer.add([chunk(content="c")])
    assert [entry.text for _, entry in events.read(0) if isinstance(entry, Text)] == ["ab", "c"]


def test_usage_and_the_reason_of_the_end_are_the_last_ones_told() -> None:
    usage = UsageCount(prompt_tokens=3, completion_tokens=4)
    answer, _ = add_up([chunk(finish="length"), ChatChunk(usage=UsageCount()), ChatChunk(usage=usage)])
    assert (answer.usage, answer.finish_reason) == (usage, "length")


PIECES = st.builds(
    chunk, content=st.sampled_from([None, "", "a", "bc"]), reasoning_content=st.sampled_from([None, "", "x", "yz"])
) | st.builds(
    ChatChunk,
    prompt_progress=st.builds(PromptProgress, total=st.just(9), processed=st.integers(0, 9), cache=st.just(0)),
)


@given(chunks=st.lists(PIECES, max_size=12), sizes=st.lists(st.integers(1, 4), max_size=8))
def test_chunks_that_come_together_say_the_same(chunks: list[ChatChunk], sizes: list[int]) -> None:
    one_by_one, expected = add_up(chunks)
    events = EventLog()
    answer = Answer(events)
    left = list(chunks)
    for size in [*sizes, len(chunks)]:
        answer.add(left[:size])
        del left[:size]
    answer.add([ChatChunk(usage=GENERATED)])
    answer.end()
    assert (answer.content, answer.reasoning) == (one_by_one.content, one_by_one.reasoning)
    entries = [entry for _, entry in events.read(0)]
    assert [(entry.status, entry.text) if isinstance(entry, Text) else entry for entry in entries] == expected
