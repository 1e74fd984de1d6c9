"""Bytes in, lines out: framing and dispatch together, against what the contract says."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.dispatch import envelope
from sidecar.dispatch.dispatcher import MAX_IN_FLIGHT
from sidecar.transport.framing import LineFramer, Oversize
from tests.dispatch.test_dispatcher import Wire, brief, pong, requests, wire
from tests.trust.debts import Debts
from tests.trust.oracle import answers_to_stream

MAX_LINE_BYTES = 300

# What requests are made of, and what breaks them, in pieces: whole lines and ruins of lines come out.
PIECES = [
    *(b'"jsonrpc":"2.0"', b'"id":1', b'"id":"a"', b'"id":null', b'"id":1.5', b'"method":"ping"', b'"method":"nope"'),
    *(b'"params":{}', b'"params":[1]', b'"params":{"a":1,"a":2}', b'"params":0', b'"i\\u0064":2', b'"a":":"', b"null"),
    *(b"{", b"}", b"[", b"]", b",", b'"', b":", b"\\", b"\n", b"\r", b" ", b"\0", b"\xff", b"\xef\xbb\xbf"),
    *(b"\xe2\x80\xa8", b'"\\ud800"', b'"\\u0000"', b"1e999", b"NaN", b"x" * 200),
]
members = st.lists(st.sampled_from(PIECES[:14]), max_size=4).map(b",".join)
almost = members.map(lambda inner: b'{"jsonrpc":"2.0",' + inner + b"}")
good = st.builds(
    b'{"jsonrpc":"2.0",%b"method":"%b"%b}'.__mod__,
    st.tuples(
        st.sampled_from([b'"id":1,', b'"id":"a",', b'"id":null,', b""]),
        st.sampled_from([b"ping", b"list_servers", b"nope", b"$/cancel"]),
        st.sampled_from([b"", b',"params":{}', b',"params":{"a":":"}', b',"params":null,"more":{"a":[]}']),
    ),
)
batches = st.lists(good | almost | st.sampled_from([b"1", b"[]"]), max_size=4).map(
    lambda all_: b"[%b]" % b",".join(all_)
)
values = requests.map(lambda value: json.dumps(value, ensure_ascii=False).encode())
ruins = st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=6).map(b"".join)
streams = st.lists(
    st.tuples(good | good | almost | batches | values | ruins, st.sampled_from([b"\n"] * 4 + [b"\r\n", b""]))
).map(lambda lines: b"".join(line + end for line, end in lines))


async def conversation(chunks: list[bytes]) -> list[Any]:
    """What is written while a host sends these bytes."""
    async with wire(list_servers=pong) as host:
        framer = LineFramer(MAX_LINE_BYTES)
        for chunk in chunks:
            take_in(host, framer.feed(chunk))
            await anyio.lowlevel.checkpoint()
        return await host.settled()


def take_in(host: Wire, lines: list[bytes | Oversize]) -> None:
    for line in lines:
        if isinstance(line, Oversize):
            host.dispatcher.handle_oversize()
        else:
            host.dispatcher.handle(line)


@pytest.mark.case(1, 12, 13, 14)
@settings(max_examples=150)
@given(stream=streams, cuts=st.lists(st.integers(0, 1000), max_size=8))
def test_any_bytes_in_any_chunks_have_the_answers_that_the_contract_says(stream: bytes, cuts: list[int]) -> None:
    bounds = [0, *sorted(cut for cut in cuts if cut <= len(stream)), len(stream)]
    written = anyio.run(conversation, [stream[start:end] for start, end in pairwise(bounds)])
    debts = Debts()
    for answers in answers_to_stream(stream, MAX_LINE_BYTES):
        debts.owe(answers)
    for message in written:
        debts.settle(message)
    assert debts.count == 0, f"not answered: {debts}"


@pytest.mark.anyio
@pytest.mark.case(13)
async def test_nothing_of_a_line_with_a_repeated_key_is_carried_out() -> None:
    async with wire() as host:
        ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
        host.dispatcher.handle(b'{"jsonrpc":"2.0","id":7,"method":"nope","method":"ping"}')
        host.dispatcher.handle(b"[" + ping + b',{"jsonrpc":"2.0","id":2,"method":"ping","params":{"a":1,"a":1}}]')
        host.dispatcher.handle(b'{"jsonrpc":"2.0","method":"ping","params":{"a":1,"a":1}}')
        refusals = ["7: INVALID_REQUEST", "None: INVALID_REQUEST", "None: INVALID_REQUEST"]
        assert [brief(message) for message in await host.settled()] == refusals


@pytest.mark.anyio
@pytest.mark.case(14)
async def test_a_batch_of_more_than_may_be_under_way_is_refused_as_a_whole() -> None:
    async with wire() as host:
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        host.tell([{**ping, "id": id_} for id_ in range(MAX_IN_FLIGHT)])
        host.tell([{**ping, "id": id_} for id_ in range(MAX_IN_FLIGHT + 1)])
        host.tell([{"jsonrpc": "2.0", "method": "ping"}] * (MAX_IN_FLIGHT + 1))
        refused, silent, answered = await host.settled()
        assert [brief(refused), brief(silent)] == ["None: INVALID_REQUEST"] * 2
        assert sorted(response["id"] for response in answered) == list(range(MAX_IN_FLIGHT))


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["\x1b[31m" + "x" * 5_000_000, "\u2028\0" * 1_000_000])
async def test_an_error_quotes_little_of_what_it_refuses(name: str) -> None:
    async with wire() as host:
        host.begin(name)
        host.begin("ping", **{name: 1})
        for id_ in (name, name):
            host.tell({"jsonrpc": "2.0", "id": id_, "method": "ping"})
        in_use, no_method, no_parameter, _ = await host.settled()
        assert [m["error"]["data"]["name"] for m in (in_use, no_method, no_parameter)] == [
            "INVALID_REQUEST",
            "METHOD_NOT_FOUND",
            "INVALID_PARAMS",
        ]
        for error in (in_use["error"], no_method["error"], no_parameter["error"]):
            assert len(json.dumps(error)) < 20_000
            assert error["message"].isprintable()
            assert error["data"].get("path", "").isprintable()


@pytest.mark.anyio
async def test_a_line_over_which_the_dispatcher_stumbles_is_answered_and_the_next_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stumble(line: bytes) -> None:
        raise MemoryError

    async with wire() as host:
        with monkeypatch.context() as patch:
            patch.setattr(envelope, "parse", stumble)
            host.begin("ping")
        host.begin("ping")
        assert [brief(message) for message in await host.settled()] == ["None: INTERNAL_ERROR", "2: pong"]
