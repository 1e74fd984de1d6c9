"""The stdio connection over real pipes, inside this process."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from sidecar.transport import reading
from sidecar.transport.reading import LINES_AT_ONCE
from sidecar.transport.stdio import StdioTransport

pytestmark = pytest.mark.anyio

BOUND_SECONDS = 30


@pytest.fixture(params=["loop", "thread"], autouse=True)
def waiting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How stdin is waited for. Here only files need a thread; on Windows everything does."""
    if request.param == "thread":
        monkeypatch.setattr("sidecar.host.descriptors.is_watchable", lambda fd: False)


class Host:
    """The other ends of the wire, and what has come in on ours."""

    def __init__(self, max_line_bytes: int = 1000) -> None:
        self.read_fd, self.host_write_fd = os.pipe()
        self.host_read_fd, self.write_fd = os.pipe()
        self.transport = StdioTransport(self.read_fd, self.write_fd, max_line_bytes=max_line_bytes)
        self.lines: list[bytes] = []
        self.oversized = 0
        self.on_line: Callable[[bytes], None] = lambda line: None
        self.ended = anyio.Event()
        self._news = anyio.Event()

    async def serve(self) -> None:
        await self.transport.read(self._take, self._take_oversize)
        self.ended.set()

    def write(self, data: bytes) -> None:
        os.write(self.host_write_fd, data)

    async def read(self, size: int) -> bytes:
        """Exactly so many bytes."""

        def read() -> bytes:
            data = b""
            while len(data) < size and (chunk := os.read(self.host_read_fd, size - len(data))):
                data += chunk
            return data

        return await to_thread.run_sync(read)

    async def has_lines(self, count: int) -> None:
        while len(self.lines) + self.oversized < count:
            self._news = anyio.Event()
            await self._news.wait()

    def close_stdin(self) -> None:
        self.host_write_fd = self._close(self.host_write_fd)

    def close_stdout(self) -> None:
        self.host_read_fd = self._close(self.host_read_fd)

    def close(self) -> None:
        self.close_stdin()
        self.close_stdout()

    @staticmethod
    def _close(fd: int) -> int:
        if fd >= 0:
            os.close(fd)
        return -1

    def _take(self, line: bytes) -> None:
        self.lines.append(line)
        self.on_line(line)
        self._news.set()

    def _take_oversize(self) -> None:
        self.oversized += 1
        self._news.set()


def wire_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("wire-")]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    for thread in wire_threads():
        if thread.name == "wire-reader":  # the writer waits for ever; it dies with the process
            thread.join(BOUND_SECONDS)
    assert not [thread for thread in wire_threads() if thread.name == "wire-reader"]


@asynccontextmanager
async def served(max_line_bytes: int = 1000) -> AsyncIterator[Host]:
    host = Host(max_line_bytes)
    with anyio.fail_after(BOUND_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(host.serve)
            try:
                yield host
            finally:
                host.close()
            await host.ended.wait()


async def test_lines_come_in_order_and_the_end_of_stdin_ends_serving() -> None:
    async with served() as host:
        host.write(b"one\ntwo\r\n\n")
        host.write(b"thr")
        host.write(b"ee\n")
        host.close_stdin()
        await host.ended.wait()
        assert host.lines == [b"one", b"two", b"three"]


async def test_a_line_that_stdin_breaks_off_is_not_executed_and_noted(caplog: pytest.LogCaptureFixture) -> None:
    async with served() as host:
        host.write(b'one\n{"jsonrpc"')
        host.close_stdin()
        await host.ended.wait()
        assert host.lines == [b"one"]
        assert [r.levelno for r in caplog.records if "middle of a line" in r.message] == [logging.WARNING]


async def test_a_line_that_is_too_long_is_told_once_and_the_next_one_is_read() -> None:
    async with served() as host:
        for _ in range(50):
            await to_thread.run_sync(host.write, b"x" * 60_000)
        host.write(b"\nnext\n")
        await host.has_lines(2)
        assert (host.lines, host.oversized) == ([b"next"], 1)


async def test_every_line_that_is_sent_arrives_in_order_whatever_its_size() -> None:
    sizes = [1, 10, 4094, 4095, 4096, 70_000, 1, 65_535, 65_536, 3, 1_000_000, 2] * 3
    lines = [bytes([97 + i % 26]) * size for i, size in enumerate(sizes)]
    async with served() as host, anyio.create_task_group() as tasks:

        async def send() -> None:
            for i, line in enumerate(lines):
                host.transport.outbox.send_line(line)
                if i % 3 == 0:
                    await anyio.lowlevel.checkpoint()

        tasks.start_soon(send)
        expected = b"".join(line + b"\n" for line in lines)
        assert await host.read(len(expected)) == expected


@pytest.mark.parametrize("size", [10, 4096, 50_000])
async def test_what_is_sent_before_serving_begins_can_be_drained(size: int) -> None:
    host = Host()
    host.transport.outbox.send_line(b"x" * size)
    with anyio.fail_after(BOUND_SECONDS):
        await host.transport.drain()
    assert await host.read(size + 1) == b"x" * size + b"\n"
    host.close()


async def test_serving_that_was_stopped_before_it_began_ends_at_once() -> None:
    host = Host()
    host.transport.stop_reading()
    with anyio.fail_after(BOUND_SECONDS):
        await host.serve()
    assert wire_threads() == [] or all(t.name == "wire-writer" for t in wire_threads())
    host.close()


async def test_draining_waits_until_the_host_has_read() -> None:
    async with served() as host, anyio.create_task_group() as tasks:
        drained = anyio.Event()

        async def drain() -> None:
            await host.transport.drain()
            drained.set()

        for _ in range(4):
            host.transport.outbox.send_line(b"x" * 99_999)
        tasks.start_soon(drain)
        await host.read(100_000)
        assert not drained.is_set()
        await host.read(300_000)
        await drained.wait()


async def test_draining_twice_and_with_nothing_to_write_returns() -> None:
    async with served() as host:
        await host.transport.drain()
        await host.transport.drain()


async def test_a_host_that_closes_its_end_ends_serving_and_nothing_piles_up() -> None:
    async with served() as host:
        host.close_stdout()
        host.transport.outbox.send_line(b"x" * 100)
        await host.ended.wait()
        for _ in range(100):
            host.transport.outbox.send_line(b"x" * 100_000)
        await host.transport.drain()
        assert host.transport.outbox.waiting_bytes == 0


async def test_a_host_that_closes_its_end_while_the_writer_waits_for_it_ends_serving() -> None:
    async with served() as host:
        host.transport.outbox.send_line(b"x" * 1_000_000)
        await host.read(1)
        host.close_stdout()
        await host.ended.wait()
        await host.transport.drain()


async def fill_the_pipe(host: Host, *, waiting_bytes: int) -> int:
    """Write requests of 1000 bytes without reading anything, until none is taken any more; returns how many."""
    os.set_blocking(host.host_write_fd, False)
    sent = 0
    while True:
        try:
            os.write(host.host_write_fd, b"q" * 999 + b"\n")
            sent += 1
        except BlockingIOError:
            if host.transport.outbox.waiting_bytes > waiting_bytes:
                return sent
        await anyio.lowlevel.checkpoint()


async def test_a_host_that_does_not_read_is_not_listened_to_until_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_WAITING_BYTES", 500_000)
    async with served() as host:
        waiting: list[int] = []

        def answer(line: bytes) -> None:
            host.transport.outbox.send_line(b"y" * 9_999)
            waiting.append(host.transport.outbox.waiting_bytes)

        host.on_line = answer
        sent = await fill_the_pipe(host, waiting_bytes=500_000)
        assert len(host.lines) < sent
        assert max(waiting) < 500_000 + 10_000
        await host.read(sent * 10_000)
        assert len(host.lines) == sent


async def test_a_host_that_neither_reads_nor_keeps_stdin_open_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_WAITING_BYTES", 1000)
    monkeypatch.setattr(reading, "HANG_UP_INTERVAL_SECONDS", 0.01)
    async with served() as host:
        host.on_line = lambda line: host.transport.outbox.send_line(b"y" * 100_000)
        sent = await fill_the_pipe(host, waiting_bytes=1000)
        host.close_stdin()
        await host.ended.wait()
        assert len(host.lines) == sent


async def test_many_lines_at_once_let_others_have_their_turn() -> None:
    async with served() as host:
        turns: list[int] = []

        def note_turn() -> None:
            turns.append(len(host.lines))
            if len(host.lines) < 1000:
                asyncio.get_running_loop().call_soon(note_turn)

        host.on_line = lambda line: note_turn() if len(host.lines) == 1 else None
        host.write(b"q\n" * 1000)
        await host.has_lines(1000)
        assert max(after - before for before, after in pairwise(turns)) <= LINES_AT_ONCE


async def test_nothing_is_taken_in_after_reading_was_stopped() -> None:
    async with served() as host:
        host.on_line = lambda line: host.transport.stop_reading()
        host.write(b"one\ntwo\n" * 200)
        await host.ended.wait()
        host.write(b"three\n")
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        assert host.lines == [b"one"]


async def test_pipes_that_do_not_block_serve_as_well() -> None:
    host = Host()
    os.set_blocking(host.read_fd, False)
    os.set_blocking(host.write_fd, False)
    host.transport = StdioTransport(host.read_fd, host.write_fd)
    with anyio.fail_after(BOUND_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(host.serve)
            host.transport.outbox.send_line(b"x" * 500_000)
            assert len(await host.read(500_001)) == 500_001
            host.write(b"one\n")
            await host.has_lines(1)
            host.close()
            await host.ended.wait()
    assert host.lines == [b"one"]


async def test_a_socket_serves_as_well() -> None:
    ours, hosts = socket.socketpair()
    transport = StdioTransport(ours.fileno(), os.dup(ours.fileno()))
    lines: list[bytes] = []

    def echo(line: bytes) -> None:
        lines.append(line)
        transport.outbox.send_line(line)

    def talk() -> bytes:
        hosts.sendall(b"".join(b"%d\n" % i for i in range(5000)))
        hosts.shutdown(socket.SHUT_WR)
        data = b""
        while data.count(b"\n") < 5000:
            data += hosts.recv(65536)
        return data

    with anyio.fail_after(BOUND_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(transport.read, echo, lambda: None)
            data = await to_thread.run_sync(talk)
    assert data == b"".join(b"%d\n" % i for i in range(5000))
    assert data.split() == lines
    hosts.close()
    ours.close()


async def test_files_serve_as_well(tmp_path: Path) -> None:
    questions, answers = tmp_path / "in", tmp_path / "out"
    questions.write_bytes(b"".join(b"%d\n" % i for i in range(10_000)))
    with questions.open("rb") as source, answers.open("wb") as target:
        transport = StdioTransport(source.fileno(), target.fileno())
        with anyio.fail_after(BOUND_SECONDS):
            await transport.read(transport.outbox.send_line, lambda: None)
            await transport.drain()
    assert answers.read_bytes() == questions.read_bytes()
