"""Which connections are accepted, how many, and for how long: over real sockets, with users as the test says."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

import anyio
import anyio.lowlevel
import pytest

from sidecar.host import limits
from sidecar.host.peers import Peers
from sidecar.transport.web import acceptor as acceptor_module
from sidecar.transport.web.acceptor import Acceptor, listen
from sidecar.transport.web.guest import MAX_BYTES, MAX_HEADER_BYTES, Guest

pytestmark = pytest.mark.anyio

BOUND_SECONDS = 20.0
HEADER = b"GET / HTTP/1.1\r\n\r\n"


class Server(asyncio.Protocol):
    """An HTTP server that answers everything with `ok`, and stays."""

    def __init__(self, made: list[Server]) -> None:
        self.received = b""
        made.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.transport.write(b"ok")


class Users:
    """Stands for the kernel's answer: whether the peer is our own user, now."""

    def __init__(self, *, are_ours: bool) -> None:
        self.are_ours = are_ours
        self.asked = 0

    async def is_same_user(self, peer: tuple[str, int], ours: tuple[str, int]) -> bool:
        self.asked += 1
        return self.are_ours

    def close(self) -> None:
        """As `Peers`."""


class Site:
    """An acceptor that runs."""

    def __init__(self, users: Users, **bounds: int) -> None:
        listener = listen(None)
        self.address: tuple[str, int] = listener.getsockname()
        self.made: list[Server] = []
        self.acceptor = Acceptor(listener, cast(Peers, users), **bounds)

    async def connect(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connected = socket.create_connection(self.address)  # the kernel does it before the acceptor has a turn
        reader, writer = await asyncio.open_connection(sock=connected)
        writer.write(data)
        return reader, writer


@asynccontextmanager
async def site(*, are_ours: bool = True, **bounds: int) -> AsyncIterator[Site]:
    one = Site(Users(are_ours=are_ours), **bounds)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.acceptor.run, lambda: Server(one.made))
        with anyio.fail_after(BOUND_SECONDS):
            yield one
        tasks.cancel_scope.cancel()
    one.acceptor.close()


async def ended(reader: asyncio.StreamReader) -> None:
    """Wait until the other side has ended a connection."""
    try:
        assert await reader.read(1) == b""
    except ConnectionError:
        return


@pytest.mark.case(41)
async def test_another_users_program_is_reset_before_it_is_read() -> None:
    async with site(are_ours=False) as one:
        for _ in range(acceptor_module.MAX_REFUSALS + 5):
            reader, writer = await one.connect(HEADER)
            await ended(reader)
            writer.close()
        assert one.made == []
        assert one.acceptor.guest_count == 0


async def test_silent_connections_make_room_for_one_that_talks() -> None:
    async with site(max_guests=3) as one:
        silent = [await one.connect() for _ in range(5)]
        for reader, _ in silent[:2]:
            await ended(reader)
        assert one.acceptor.guest_count == 3
        reader, writer = await one.connect(HEADER)
        assert await reader.read(2) == b"ok"
        for _, other in (*silent, (reader, writer)):
            other.close()


async def test_nothing_is_accepted_while_only_the_reserve_of_descriptors_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short = [True, True, False]
    monkeypatch.setattr(acceptor_module, "SHORTAGE_SECONDS", 0.0)
    monkeypatch.setattr(limits, "is_nearly_full", lambda *_: short.pop(0))
    async with site() as one:
        for _ in range(2):
            reader, _ = await one.connect(HEADER)
            await ended(reader)
        reader, writer = await one.connect(HEADER)
        assert await reader.read(2) == b"ok"
        writer.close()


@pytest.mark.case(42)
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ECONNABORTED])
async def test_a_failed_accept_is_tried_again(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptor_module, "SHORTAGE_SECONDS", 0.0)
    loop = asyncio.get_running_loop()
    accept, failures = loop.sock_accept, [number] * 3

    async def failing(listener: socket.socket) -> object:
        if failures:
            raise OSError(failures.pop(), "as the system says it")
        return await accept(listener)

    monkeypatch.setattr(loop, "sock_accept", failing)
    async with site() as one:
        reader, writer = await one.connect(HEADER)
        assert await reader.read(2) == b"ok"
        writer.close()


# --- one connection --------------------------------------------------------------------------------------------------


class Talk:
    """A connection to a guest with short bounds, and what became of it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, guest: Guest, server: Server
    ) -> None:
        self.reader, self.writer, self.guest, self.server = reader, writer, guest, server
        self.gone: list[Guest] = []


@asynccontextmanager
async def talk(**bounds: float) -> AsyncIterator[Talk]:
    made: list[Server] = []
    gone: list[Guest] = []
    guests: list[Guest] = []

    def make() -> Guest:
        guests.append(Guest(Server(made), gone.append, **bounds))
        return guests[-1]

    listening = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    try:
        with anyio.fail_after(BOUND_SECONDS):
            await until(lambda: bool(guests))
            one = Talk(reader, writer, guests[0], made[0])
            one.gone = gone
            yield one
    finally:
        writer.close()
        listening.close()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await anyio.lowlevel.checkpoint()


async def test_a_header_comes_in_any_pieces_and_without_its_cookies() -> None:
    async with talk() as one:
        for byte in b"GET / HTTP/1.1\r\ncookie: a\r\nHost: b\r\n\r\nrest":
            one.writer.write(bytes([byte]))
            await one.writer.drain()
            await anyio.lowlevel.checkpoint()
        await until(lambda: one.server.received.endswith(b"rest"))
        assert one.server.received == b"GET / HTTP/1.1\r\nHost: b\r\n\r\nrest"


async def test_a_connection_that_takes_too_long_is_ended() -> None:
    for data, bounds in (
        (b"", {"header_seconds": 0.05}),
        (HEADER[:-1], {"header_seconds": 0.05}),
        (HEADER, {"answer_seconds": 0.05}),
    ):
        async with talk(**bounds) as one:
            one.writer.write(data)
            try:
                await one.reader.read()
            except ConnectionError:
                pass  # it was reset, which is an end as well
            await until(partial(bool, one.gone))


async def test_a_connection_that_sends_too_much_is_ended() -> None:
    for data in (b"x" * (MAX_HEADER_BYTES + 1), HEADER + b"x" * 100, HEADER):
        async with talk() as one:
            one.writer.write(data)
            if data.startswith(HEADER):
                assert await one.reader.read(2) == b"ok"
                one.writer.write(b"x" * (MAX_BYTES + 1))
            try:
                await one.reader.read()
            except ConnectionError:
                pass  # it was reset, which is an end as well
            await until(partial(bool, one.gone))


async def test_an_admitted_page_takes_any_time_and_sends_any_amount() -> None:
    async with talk() as one:
        one.writer.write(HEADER)
        assert await one.reader.read(2) == b"ok"
        one.guest.admit()
        assert one.gone == [one.guest]
        one.writer.write(b"x" * (2 * MAX_BYTES))
        await until(lambda: len(one.server.received) == len(HEADER) + 2 * MAX_BYTES)
        assert one.guest._deadline is None
