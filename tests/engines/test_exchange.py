"""Requests on connections of their own, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest

from sidecar.engines.client import connection
from sidecar.engines.client.connection import Address
from sidecar.engines.client.exchange import MAX_UNREAD_BYTES, READ_BYTES, EngineGone, Exchange
from tests.engines.http_peer import answer
from tests.processes.programs import WAIT_SECONDS

pytestmark = pytest.mark.anyio


async def through(exchange: Exchange, address: Address) -> bytes:
    """The whole body of an answer."""
    body = b""
    try:
        with anyio.fail_after(WAIT_SECONDS):
            await exchange.open(address)
            while part := await exchange.read():
                body += part
    finally:
        exchange.close()
    return body


@pytest.mark.parametrize("on_socket", [True, False])
async def test_a_request_that_does_not_fit_at_once_arrives_whole(runtime_dir: Path, on_socket: bool) -> None:
    size = 4_000_000

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = len(await reader.readexactly(size))
        writer.write(answer(200, json.dumps(got).encode()))
        await writer.drain()
        writer.close()

    path = str(runtime_dir / "x.sock")
    server = await (
        asyncio.start_unix_server(count, path) if on_socket else asyncio.start_server(count, "127.0.0.1", 0)
    )
    async with server:
        port = 0 if on_socket else server.sockets[0].getsockname()[1]
        exchange = Exchange(bytes(size))
        body = await through(exchange, Address(path) if on_socket else Address(None, "127.0.0.1", port))
    assert (exchange.response.status, json.loads(body)) == (200, size)


@pytest.mark.parametrize("address", [Address("/no/such/socket"), Address(None, "127.0.0.1", 9)])
async def test_a_request_that_gets_nowhere_fails_when_its_answer_is_read(address: Address) -> None:
    exchange = Exchange(b"")
    await exchange.open(address)
    with pytest.raises(EngineGone):
        await exchange.read()


async def test_a_flood_is_taken_in_pieces_so_that_others_have_their_turn_in_between(runtime_dir: Path) -> None:
    turns, parts = 0, []

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer(200, bytes(20 * READ_BYTES)))
        await writer.drain()
        writer.close()

    def turn() -> None:
        nonlocal turns
        turns += 1
        if not over:
            asyncio.get_running_loop().call_soon(turn)

    over = False
    path = str(runtime_dir / "x.sock")
    exchange = Exchange(b"x")
    async with await asyncio.start_unix_server(flood, path):
        turn()
        with anyio.fail_after(WAIT_SECONDS):
            await exchange.open(Address(path))
            while part := await exchange.read():
                parts.append((len(part), turns))
        over = True
    assert sum(size for size, _ in parts) == 20 * READ_BYTES
    assert max(size for size, _ in parts) <= 2 * READ_BYTES
    assert len({number for _, number in parts}) == len(parts)


async def test_what_nobody_reads_is_left_to_the_engine_and_comes_when_it_is_read(runtime_dir: Path) -> None:
    size = 40 * MAX_UNREAD_BYTES

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer(200, bytes(size)))
        await writer.drain()
        writer.close()

    path = str(runtime_dir / "x.sock")
    exchange = Exchange(b"x", idle_seconds=0.05)
    async with await asyncio.start_unix_server(flood, path):
        with anyio.fail_after(WAIT_SECONDS):
            await exchange.open(Address(path))
            received = -1
            while received != exchange.received:
                received = exchange.received
                await anyio.sleep(0.2)  # longer than it may be silent: it is us who do not read
            assert received * READ_BYTES < 3 * MAX_UNREAD_BYTES
            assert not exchange.ended.is_set()
            body = 0
            while part := await exchange.read():
                body += len(part)
    assert body == size


# --- a socket that has no room ---


class Full:
    """A UNIX socket at which as many wait as may, and nobody is let in yet."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.address = Address(str(path))
        self.asked: list[bytes] = []
        self._listening = stack.enter_context(socket.socket(socket.AF_UNIX))
        self._listening.bind(str(path))
        self._listening.listen(0)
        self._waiting = 0
        while True:
            other = stack.enter_context(socket.socket(socket.AF_UNIX))
            other.setblocking(False)
            try:
                other.connect(str(path))
            except BlockingIOError:
                break
            other.shutdown(socket.SHUT_WR)
            self._waiting += 1

    async def let_in(self) -> None:
        """Begin to accept; returns when those who waited are served, and one more."""
        served = asyncio.Semaphore(0)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if data := await reader.read(100):
                self.asked.append(data)
                writer.write(answer(200, b"1"))
            writer.close()
            served.release()

        async with await asyncio.start_unix_server(serve, sock=self._listening):
            for _ in range(self._waiting + 1):
                await served.acquire()


@pytest.fixture
def full(runtime_dir: Path) -> Iterator[Full]:
    with ExitStack() as stack:
        yield Full(runtime_dir / "x.sock", stack)


async def test_a_socket_that_has_no_room_is_tried_again(full: Full) -> None:
    exchange = Exchange(b"x")
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(through, exchange, full.address)
            await anyio.wait_all_tasks_blocked()
            await full.let_in()
    assert (exchange.response.status, full.asked) == (200, [b"x"])


async def test_what_is_broken_off_before_there_is_room_is_never_asked(full: Full) -> None:
    exchange = Exchange(b"x")
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(full.let_in)
            exchange.close(EngineGone("the client is closed"))
            with pytest.raises(EngineGone, match="closed"):
                await through(exchange, full.address)
    assert full.asked == []


async def test_a_socket_that_gets_no_room_has_failed(full: Full, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BACKLOG_PAUSES", (0.0, 0.0))
    with pytest.raises(EngineGone):
        await through(Exchange(b"x"), full.address)
