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

from sidecar.engines.client import exchange as exchange_module
from sidecar.engines.client.exchange import READ_BYTES, Address, Broken, Exchange
from tests.engines.http_peer import answer
from tests.processes.programs import WAIT_SECONDS

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("address", "found", "host"),
    [
        ("unix:///run/a b.sock", Address("/run/a b.sock"), "engine"),
        ("http://127.0.0.1:8080", Address(None, "127.0.0.1", 8080), "127.0.0.1:8080"),
        ("http://[::1]:8080", Address(None, "::1", 8080), "[::1]:8080"),
        (
            "https://b\u00fccher.example/a b",
            Address(None, "b\u00fccher.example", 443, True, "/a%20b"),
            "xn--bcher-kva.example:443",
        ),
        ("http://me:secret@HOST/x\r\nX: y", Address(None, "host", 80, False, "/xX:%20y"), "host:80"),
    ],
)
def test_an_address_says_where_to_connect_and_what_to_say_there(address: str, found: Address, host: str) -> None:
    parsed = Address.parse(address)
    assert (parsed, parsed.host_field) == (found, host)


@pytest.mark.parametrize("address", ["http://127.0.0.1:99999", "http://[", "http://", "ftp://host", "host:80", ""])
def test_what_is_no_address_is_an_error(address: str) -> None:
    with pytest.raises(ValueError):
        Address.parse(address)


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
        heard, sent = bytearray(), []

        def take(data: bytes) -> bool:
            heard.extend(data)
            return False

        exchange = Exchange(bytes(size), take, lambda: sent.append(len(heard)))
        with anyio.fail_after(WAIT_SECONDS):
            await exchange.run(Address(path) if on_socket else Address(None, "127.0.0.1", port))
    assert (exchange.answer.status, json.loads(heard), sent) == (200, size, [0])


@pytest.mark.parametrize("address", [Address("/no/such/socket"), Address(None, "127.0.0.1", 9)])
async def test_a_request_that_gets_nowhere_is_told_as_well(address: Address) -> None:
    sent: list[int] = []
    with pytest.raises(Broken):
        await Exchange(b"", lambda _: True, lambda: sent.append(1)).run(address)
    assert sent == [1]


async def test_what_sending_leads_to_may_fail_and_ends_the_exchange(runtime_dir: Path) -> None:
    def fail() -> None:
        raise RuntimeError("mine")

    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    path = str(runtime_dir / "x.sock")
    on_socket, on_port = (
        await asyncio.start_unix_server(nothing, path),
        await asyncio.start_server(nothing, "127.0.0.1", 0),
    )
    async with on_socket, on_port:
        for address in (Address(path), Address(None, "127.0.0.1", on_port.sockets[0].getsockname()[1])):
            with pytest.raises(RuntimeError, match="mine"), anyio.fail_after(WAIT_SECONDS):
                await Exchange(b"x", lambda _: True, fail).run(address)


async def test_a_flood_is_taken_in_pieces_so_that_others_have_their_turn_in_between(runtime_dir: Path) -> None:
    turns, parts = 0, []

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer(200, bytes(20 * READ_BYTES)))
        await writer.drain()
        writer.close()

    def take(data: bytes) -> bool:
        parts.append((len(data), turns))
        return False

    def turn() -> None:
        nonlocal turns
        turns += 1
        if not over:
            asyncio.get_running_loop().call_soon(turn)

    over = False
    path = str(runtime_dir / "x.sock")
    async with await asyncio.start_unix_server(flood, path):
        turn()
        with anyio.fail_after(WAIT_SECONDS):
            await Exchange(b"x", take).run(Address(path))
        over = True
    assert sum(size for size, _ in parts) == 20 * READ_BYTES
    assert max(size for size, _ in parts) <= READ_BYTES
    assert len({number for _, number in parts}) == len(parts)


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
    exchange = Exchange(b"x", lambda _: True)
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(exchange.run, full.address)
            await anyio.wait_all_tasks_blocked()
            await full.let_in()
    assert (exchange.answer.status, full.asked) == (200, [b"x"])


async def test_what_is_broken_off_before_there_is_room_is_never_asked(full: Full) -> None:
    exchange = Exchange(b"x", lambda _: True)
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(full.let_in)
            exchange.break_off(Broken("the link is closed"))
            with pytest.raises(Broken, match="closed"):
                await exchange.run(full.address)
    assert full.asked == []


async def test_a_socket_that_gets_no_room_has_failed(full: Full, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "BACKLOG_PAUSES", (0.0, 0.0))
    sent: list[int] = []
    with pytest.raises(Broken):
        await Exchange(b"x", lambda _: True, lambda: sent.append(1)).run(full.address)
    assert sent == [1]
