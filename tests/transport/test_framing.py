"""Lines out of bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.transport.framing import OVERSIZE, LineFramer, Oversize

MAX = 8
Lines = list[bytes | Oversize]

# Few different bytes, so that separators, blank lines and lines around the bound are frequent.
PIECES = [b"a", b"\n", b"\r", b" ", b"\t", b"\xff", b"\xe2\x80\xa8", b"\0"]
streams = st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join)


def feed_all(chunks: list[bytes], max_line_bytes: int = MAX) -> Lines:
    framer = LineFramer(max_line_bytes)
    return [line for chunk in chunks for line in framer.feed(chunk)]


def by_definition(stream: bytes) -> Lines:
    """What the contract says, in the shortest words. A last line without LF counts only where it is too long."""
    lines: Lines = []
    *whole, rest = stream.split(b"\n")
    for line in whole:
        line = line.removesuffix(b"\r")
        if len(line) > MAX:
            lines.append(OVERSIZE)
        elif line.strip(b" \t"):
            lines.append(line)
    if len(rest) > MAX + 1:
        lines.append(OVERSIZE)
    return lines


@pytest.mark.case(4, 5, 8, 9)
@given(stream=streams, cuts=st.lists(st.integers(0, 130)))
def test_any_chunking_gives_the_same_lines(stream: bytes, cuts: list[int]) -> None:
    bounds = [0, *sorted(cut for cut in cuts if cut <= len(stream)), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(bounds)]
    assert feed_all(chunks) == feed_all([stream]) == by_definition(stream)


@given(stream=streams)
def test_a_byte_at_a_time_gives_the_same_lines(stream: bytes) -> None:
    assert feed_all([bytes([byte]) for byte in stream]) == by_definition(stream)


@given(before=streams, too_long=st.binary(min_size=MAX + 2, max_size=200).map(lambda b: b.replace(b"\n", b"x")))
def test_a_line_that_is_too_long_gives_one_error_and_the_next_line_is_read(before: bytes, too_long: bytes) -> None:
    stream = before + b"\n" + too_long + b"\nnext\n"
    assert feed_all([stream])[-2:] == [OVERSIZE, b"next"]
    assert len(feed_all([stream])) == len(feed_all([before + b"\n"])) + 2


@pytest.mark.case(5)
def test_an_endless_line_is_told_once_and_never_held() -> None:
    framer = LineFramer(MAX)
    told = [line for _ in range(1000) for line in framer.feed(b"x" * 1000)]
    assert told == [OVERSIZE]
    assert len(framer._pending) == 0
    assert framer.feed(b"still the same line\nnext\n") == [b"next"]


@pytest.mark.parametrize(
    ("stream", "lines"),
    [
        (b'{"a":1}\n', [b'{"a":1}']),
        (b"a\r\nb\n", [b"a", b"b"]),
        (b"a\r\r\n", [b"a\r"]),
        (b"\n\r\n  \t\n", []),
        (b" a \n", [b" a "]),
        (b"\xe2\x80\xa8\xc2\x85\n", [b"\xe2\x80\xa8\xc2\x85"]),
        (b"12345678\n", [b"12345678"]),
        (b"12345678\r\n", [b"12345678"]),
        (b"123456789\n", [OVERSIZE]),
        (b"1234567890\n", [OVERSIZE]),
        (b"no end", []),
    ],
)
def test_lines_end_at_lf_and_nowhere_else(stream: bytes, lines: Lines) -> None:
    assert feed_all([stream]) == lines


def test_a_line_without_its_end_is_known_to_be_there() -> None:
    framer = LineFramer(MAX)

    def partial_after(chunk: bytes) -> bool:
        framer.feed(chunk)
        return framer.has_partial_line

    chunks = [b"", b"one\ntwo", b"\n", b"x" * 100, b"x\n", b"\n", b"y"]
    assert [partial_after(chunk) for chunk in chunks] == [False, True, False, True, False, False, True]


def test_a_large_line_is_put_together_from_many_chunks() -> None:
    line = bytes(range(32, 127)) * 40_000
    chunks = [line[i : i + 65536] for i in range(0, len(line), 65536)]
    assert feed_all([*chunks, b"\nrest\n"], len(line)) == [line, b"rest"]
