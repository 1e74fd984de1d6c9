"""An engine's stream, cut anywhere."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.engines.client import chunk_reader
from sidecar.engines.client.chat_chunk import (
    ChatChunk,
    Choice,
    Delta,
    EngineTimings,
    FunctionDelta,
    PromptDetails,
    PromptProgress,
    ToolCallDelta,
    UsageCount,
)
from sidecar.engines.client.chunk_reader import ChunkReader

SAMPLE = (
    'data: {"prompt_progress":{"total":9,"processed":9,"cache":4,"time_ms":3}}\n\n'
    'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null}}],"object":"chat.completion.chunk"}\n\n'
    ": keep-alive\n\n"
    'data: {"choices":[{"delta":{"content":"Grüße 🦙"},"finish_reason":null}]}\r\n\r\n'
    'event: message\ndata:{"choices":[{"delta":{"reasoning_content":"hm"}}]}\n\n'
    'data: {"choices":[{"delta":{"tool_calls":[{"index":1,"id":"c","function":{"name":"f","arguments":"{}"}}]}}]}\n\n'
    'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,'
    '"prompt_tokens_details":{"cached_tokens":4}},"timings":{"cache_n":4,"prompt_n":5,"predicted_per_second":7.5}}\n\n'
    "data:\n\n"
    "data: [DONE]\n\n"
).encode()

CHUNKS = [
    ChatChunk(prompt_progress=PromptProgress(total=9, processed=9, cache=4)),
    ChatChunk(choices=[Choice()]),
    ChatChunk(choices=[Choice(delta=Delta(content="Grüße 🦙"))]),
    ChatChunk(choices=[Choice(delta=Delta(reasoning_content="hm"))]),
    ChatChunk(
        choices=[
            Choice(
                delta=Delta(
                    tool_calls=[ToolCallDelta(index=1, id="c", function=FunctionDelta(name="f", arguments="{}"))]
                )
            )
        ]
    ),
    ChatChunk(
        choices=[Choice(finish_reason="stop")],
        usage=UsageCount(prompt_tokens=9, completion_tokens=2, prompt_tokens_details=PromptDetails(cached_tokens=4)),
        timings=EngineTimings(cache_n=4, prompt_n=5, predicted_per_second=7.5),
    ),
]


def test_a_whole_stream_gives_its_chunks() -> None:
    reader = ChunkReader()
    assert (reader.feed(SAMPLE), reader.done, reader.problem) == (CHUNKS, True, None)


@given(st.lists(st.integers(0, len(SAMPLE))))
def test_any_cutting_gives_the_same_chunks(cuts: list[int]) -> None:
    reader = ChunkReader()
    places = [0, *sorted(cuts), len(SAMPLE)]
    chunks = [c for start, end in pairwise(places) for c in reader.feed(SAMPLE[start:end])]
    assert (chunks, reader.done, reader.problem) == (CHUNKS, True, None)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('data: {"error":{"code":500,"message":"boom"}}', {"code": 500, "message": "boom"}),
        ('data: {"error":"boom"}', "boom"),
        ('error: {"code":500,"message":"boom"}', {"code": 500, "message": "boom"}),
        ("error: boom", "boom"),
        ("error: " + "[" * 100_000, "[" * 100_000),
    ],
)  # fmt: skip
def test_errors_in_the_stream_end_it_in_any_of_their_forms(line: str, error: object) -> None:
    reader = ChunkReader()
    assert reader.feed(b"data: {}\n\n" + line.encode() + b"\n\ndata: {}\n") == [ChatChunk()]
    assert (reader.error, reader.problem) == (error, None)
    assert reader.feed(b"data: {}\n") == []
    assert (reader.done, reader.problem) == (False, None)


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: {this is no JSON\n\n",
        b"data: []\n",
        b'data: {"choices":{}}\n',
        b'data: {"choices":[{"delta":{"content":7}}]}\n',
        b'data: {"x":' + b"[" * 100_000 + b"\n\n",
        b"data: \xff\xfe\n\n",
    ],
)
def test_what_was_read_before_garbage_is_kept_and_nothing_is_read_after_it(garbage: bytes) -> None:
    sound = b'data: {"choices":[{"delta":{"content":"x"}}]}\n'
    reader = ChunkReader()
    assert reader.feed(sound + garbage + sound) == [ChatChunk(choices=[Choice(delta=Delta(content="x"))])]
    assert reader.problem
    assert reader.feed(sound) == []


def test_an_event_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_reader, "MAX_EVENT_BYTES", 1000)
    reader = ChunkReader()
    assert reader.feed(b"data: " + b"x" * 990) == []
    assert reader.problem is None
    assert reader.feed(b"x" * 10) == []
    assert reader.problem


@given(st.lists(st.binary()))
def test_any_bytes_are_chunks_or_a_problem(pieces: list[bytes]) -> None:
    reader = ChunkReader()
    for piece in pieces:
        reader.feed(b"data: " + piece)
