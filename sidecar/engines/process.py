"""One engine process: its start, its output, its end.

Owns the operating-system process and the pipes. What its output means is `output`'s business, when to start or
stop it `server`'s.
"""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable

import anyio

from sidecar.contract.errors import EngineNotFound, EngineStartFailed
from sidecar.engines.faults import fault
from sidecar.engines.launch import Command
from sidecar.engines.output import STATE_PREFIX, Output
from sidecar.host import process_tree
from sidecar.host.environment import child_environment
from sidecar.logs.store import Source

LONGEST_LINE = 64 * 1024
"""Bytes without an LF that are held back to see whether they are a state line."""

LAST_OUTPUT_SECONDS = 0.5
"""How long to wait for the end of the output once the process has ended: a grandchild may hold the pipe open."""

STDOUT = 1


class EngineProcess(asyncio.SubprocessProtocol):
    """A started engine. Its output is taken in as it comes: an engine whose pipe is full stands still."""

    def __init__(self, source: Source, on_news: Callable[[], None]) -> None:
        self.output = Output()
        self.exit_code: int | None = None
        self.ended = asyncio.Event()
        self.started_at = time.time()
        self.started_clock = time.monotonic()
        self._source = source
        self._on_news = on_news
        self._partial = b""
        self._transport: asyncio.SubprocessTransport

    @classmethod
    async def start(cls, command: Command, source: Source, on_news: Callable[[], None]) -> EngineProcess:
        """Start a process. `on_news` is called whenever its output changes what is known, and when it ends.

        Raises:
            EngineNotFound: the program is not there.
            EngineStartFailed: the system refuses to run it.
        """
        engine = cls(source, on_news)
        try:
            await asyncio.get_running_loop().subprocess_exec(
                lambda: engine,
                *command.argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=child_environment(command.env),
                **process_tree.spawn_options(),
            )
        except FileNotFoundError:
            raise EngineNotFound(f"There is no program {command.argv[0]}.") from None
        except OSError as error:
            cause = fault("PERMISSION_DENIED" if error.errno == errno.EACCES else "UNKNOWN")
            raise EngineStartFailed(
                f"{command.argv[0]} can not be run: {error.strerror}.",
                hint=cause.hint if cause.cause != "UNKNOWN" else "Check that it is a program for this machine.",
                cause=cause.cause,
                exit_code=None,
                log_tail=[],
            ) from None
        return engine

    @property
    def pid(self) -> int:
        """Process id; its process group has the same."""
        return self._transport.get_pid()

    async def stop(self, *, grace_seconds: float) -> None:
        """End the process and everything it has started: stdin closed and SIGTERM first, then without mercy.

        Safe to call twice, and when it has ended by itself. Not to be cancelled half-way.
        """
        with anyio.CancelScope(shield=True):
            below = await anyio.to_thread.run_sync(process_tree.descendants, self.pid)
            if self.exit_code is None:
                self._close_pipe(0)
                process_tree.terminate(self.pid)
                with anyio.move_on_after(grace_seconds):
                    await self.ended.wait()
            await anyio.to_thread.run_sync(process_tree.kill_tree, self.pid, below)
            await self.ended.wait()

    # --- asyncio.SubprocessProtocol ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)  # noqa: S101 - asyncio's promise
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        head, separator, tail = (self._partial + data).rpartition(b"\n")
        if len(tail) > LONGEST_LINE:
            head, separator, tail = head + separator + tail, b"\n", b""
        self._partial = tail
        if separator:
            self._take_in(head)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == STDOUT:
            self._finish_if_over()

    def process_exited(self) -> None:
        self.exit_code = self._transport.get_returncode()
        asyncio.get_running_loop().call_later(LAST_OUTPUT_SECONDS, self._close_pipe, STDOUT)
        self._finish_if_over()

    def _finish_if_over(self) -> None:
        pipe = self._transport.get_pipe_transport(STDOUT)
        if self.exit_code is None or not (pipe is None or pipe.is_closing()) or self.ended.is_set():
            return
        self._take_in(self._partial)
        self._source.flush()
        self._transport.close()
        self.ended.set()
        self._on_news()

    def _close_pipe(self, fd: int) -> None:
        if pipe := self._transport.get_pipe_transport(fd):
            pipe.close()

    def _take_in(self, head: bytes) -> None:
        """Take in whole lines, without the last LF."""
        news = False
        if STATE_PREFIX in head:
            ordinary = []
            for line in head.split(b"\n"):
                # Its logger may have written the time of its next line already: the marker need not come first.
                log, marker, state = line.partition(STATE_PREFIX)
                news |= bool(marker) and self.output.read_state(marker + state)
                ordinary.append(log)
            head = b"\n".join(ordinary)
        news |= self.output.read_log(head)
        self._source.feed(head + b"\n")
        if news:
            self._on_news()
