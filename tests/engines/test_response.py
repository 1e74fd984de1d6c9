"""An HTTP answer, cut anywhere; and what is taken for one."""

from __future__ import annotations

import http.client
import io
import socket
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.engines.client.connection import Address
from sidecar.engines.client.exchange import MAX_HEAD_BYTES, NotHttp, Response, request

CHUNKED = b"Transfer-Encoding: chunked\r\n"


def head(fields: bytes = b"", status: int = 200) -> bytes:
    return b"HTTP/1.1 %d X\r\n%b\r\n" % (status, fields)


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%b\r\n%b\r\n" % (len(data), extension, data)


def read(data: bytes, cuts: list[int] | None = None) -> tuple[int | None, bytes, bool]:
    """Status, body, and whether the answer was complete with the end of these bytes."""
    response = Response()
    body = b""
    for start, end in pairwise([0, *sorted(cuts or []), len(data)]):
        if not response.done:
            response.feed(data[start:end])
            body += response.take()
    return response.status, body, response.end()


def read_by_python(data: bytes) -> tuple[int, bytes]:
    """What Python's own client makes of it."""

    class Connection:
        def makefile(self, _mode: str) -> io.BytesIO:
            return io.BytesIO(data)

    response = http.client.HTTPResponse(cast(socket.socket, Connection()))
    response.begin()
    return response.status, response.read()


@st.composite
def answers(draw: Any) -> tuple[bytes, bool]:
    """Sound answers of every kind, and whether they say where they end."""
    fields = b"".join(draw(st.lists(st.sampled_from([b"Server: llama.cpp\r\n", b"X-Empty:\r\n", b"a:b : c\r\n"]))))
    status = draw(st.sampled_from([200, 400, 503]))
    before = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n"]))
    pieces = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
    kind = draw(st.sampled_from(["chunked", "counted", "closed"]))
    if kind == "chunked":
        extension = draw(st.sampled_from([b"", b";x=1", b";y"]))
        end = draw(st.sampled_from([b"0\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n", b"00;z\r\n\r\n"]))
        body = b"".join(chunk(piece, extension) for piece in pieces) + end
        return before + head(fields + draw(st.sampled_from([CHUNKED, CHUNKED.upper()])), status) + body, True
    body = b"".join(pieces)
    if kind == "counted":
        fields += b"content-length:%d\r\n" % len(body)
    return before + head(fields, status) + body, kind == "counted"


@given(answer=answers(), cuts=st.lists(st.integers(0, 400)))
@settings(deadline=None, max_examples=40)
def test_any_cutting_gives_what_another_client_reads(answer: tuple[bytes, bool], cuts: list[int]) -> None:
    data, _ = answer
    status, body = read_by_python(data)
    assert read(data, [min(cut, len(data)) for cut in cuts]) == (status, body, True)
    assert read(data, list(range(len(data)))) == (status, body, True)


@given(answer=answers(), share=st.floats(0, 1, exclude_max=True))
@settings(deadline=None, max_examples=40)
def test_an_answer_that_breaks_off_is_not_complete_where_it_says_where_it_ends(
    answer: tuple[bytes, bool], share: float
) -> None:
    data, has_an_end = answer
    status, body, complete = read(data[: int(len(data) * share)])
    whole = read_by_python(data)[1]
    assert whole.startswith(body)
    if not has_an_end:
        assert complete == (status is not None)
    elif body != whole:
        assert not complete


@given(st.lists(st.binary()), st.sampled_from([b"", head(), head(CHUNKED), head(b"Content-Length: 9\r\n")]))
@settings(deadline=None, max_examples=40)
def test_any_bytes_are_an_answer_or_none(pieces: list[bytes], before: bytes) -> None:
    response = Response()
    try:
        for piece in [before, *pieces]:
            if not response.done:
                response.feed(piece)
    except NotHttp:
        return
    response.end()


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2000 X\r\n\r\n",
        head(b"no field\r\n"),
        head(b" folded: x\r\n"),
        head(b"Transfer-Encoding : chunked\r\n"),
        head(b"Transfer-Encoding: gzip, chunked\r\n"),
        head(CHUNKED + b"Content-Length: 3\r\n"),
        head(CHUNKED + CHUNKED),
        head(b"Content-Length: 3\r\nContent-Length: 4\r\n"),
        head(b"Content-Length: +3\r\n"),
        head(b"Content-Length: 3, 3\r\n"),
        *(head(CHUNKED) + size + b"\r\nabc\r\n" for size in (b"+3", b"0x3", b"3_", b" 3", b"", b"-1", b"f" * 17)),
        head(CHUNKED) + b"3\r\nabcd\r\n",
        head(CHUNKED) + b"3\r\nabc\nx",
        head(CHUNKED) + b"3\r\nabc\rx",
    ],
)
def test_what_does_not_say_clearly_where_it_ends_is_no_answer(data: bytes) -> None:
    for cuts in ([], list(range(len(data)))):
        with pytest.raises(NotHttp):
            read(data, cuts)


@pytest.mark.parametrize(
    "endless",
    [
        b"HTTP/1.1 200 X\r\n" + b"a" * MAX_HEAD_BYTES,
        b"HTTP/1.1 200 X\r\n" + b"a: b\r\n" * MAX_HEAD_BYTES,
        b"HTTP/1.1 100 X\r\n\r\n" * MAX_HEAD_BYTES,
        head(CHUNKED) + b"0" * MAX_HEAD_BYTES,
        head(CHUNKED) + b"1;" + b"x" * MAX_HEAD_BYTES,
        head(CHUNKED) + b"0\r\na: " + b"x" * MAX_HEAD_BYTES,
    ],
)
def test_a_head_or_a_size_that_never_ends_is_given_up(endless: bytes) -> None:
    with pytest.raises(NotHttp):
        read(endless, list(range(0, len(endless), 1000)))


def test_an_answer_without_a_body_is_complete_with_its_head() -> None:
    for data in (head(status=204), head(b"Content-Length: 0\r\n")):
        response = Response()
        response.feed(data)
        assert (response.take(), response.done) == (b"", True)


def test_a_large_chunk_in_small_pieces_is_put_together_once() -> None:
    data = head(CHUNKED) + chunk(bytes(1_000_000)) + chunk(b"x")
    assert read(data, list(range(0, len(data), 100))) == (200, bytes(1_000_000) + b"x", False)


def test_what_follows_a_response_is_no_part_of_it() -> None:
    for whole in (head(b"Content-Length: 1\r\n") + b"x", head(CHUNKED) + chunk(b"x") + b"0\r\n\r\n"):
        for after in (whole, b"nonsense", head(status=500)):
            assert read(whole + after) == (200, b"x", True)


def test_a_request_says_what_it_is() -> None:
    assert request("GET", "/health", Address("/x.sock").fields(), None) == (
        b"GET /health HTTP/1.1\r\nHost: engine\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )
    fields = [*Address(None, "::1", 8).fields(), "Authorization: Bearer k"]
    assert request("POST", "/a/x", fields, b"{}") == (
        b"POST /a/x HTTP/1.1\r\nHost: [::1]:8\r\nAuthorization: Bearer k\r\nAccept: */*\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
