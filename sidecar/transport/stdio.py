"""The stdio connection: the event loop never waits for the host, neither to say something nor to listen.

Owns the two descriptors of the wire, and that a host which does not read is not listened to. Knows nothing of JSON:
lines go in and out.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from sidecar.dispatch.hosts import Hosts
from sidecar.events.outbox import Outbox
from sidecar.host import descriptors
from sidecar.transport.chunks import chunks_of
from sidecar.transport.framing import MAX_LINE_BYTES, LineFramer, Oversize
from sidecar.transport.writing import LineWriter

logger = logging.getLogger(__name__)

MAX_WAITING_BYTES = 8 * 1024 * 1024
"""Unwritten responses beyond which no more requests are taken in: the host is not reading."""


LINES_AT_ONCE = 64
"""Lines taken in before everything else gets its turn: one chunk can hold a thousand requests, and the answers to
those that take no time should be on their way before the next ones are begun."""


class StdioTransport:
    """The wire over a pair of descriptors. Made and used in the event loop."""

    leads_to_owner = True

    def __init__(self, read_fd: int, write_fd: int, *, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        for fd in (read_fd, write_fd):
            descriptors.make_blocking(fd)  # some hosts hand over pipes that do not block; threads wait here
        self.outbox = Outbox()
        self._read_fd = read_fd
        self._framer = LineFramer(max_line_bytes)
        self._reader: LineReader | None = None
        self._writer = LineWriter(write_fd, self.outbox, on_room=self._resume, on_gone=self.stop_reading)
        self._ended = asyncio.Event()

    async def serve(self, hosts: Hosts) -> None:
        """Let the host talk until it closes its end. Returns at end-of-file or a broken pipe."""
        host = hosts.join(self.outbox)
        await self.read(host.handle, host.handle_oversize)

    async def read(self, on_line: Callable[[bytes], None], on_oversize: Callable[[], None]) -> None:
        """Give every line to `on_line` until the host closes its end."""
        if self._ended.is_set():
            return
        self._reader = LineReader(
            self._read_fd,
            self._framer,
            on_line=on_line,
            on_oversize=on_oversize,
            on_end=self._ended.set,
            has_room=lambda: self.outbox.waiting_bytes <= MAX_WAITING_BYTES,
        )
        self._reader.start()
        await self._ended.wait()

    async def drain(self) -> None:
        """Wait until everything in the outbox has been written, or the host is gone."""
        await self._writer.drain()

    def stop_reading(self) -> None:
        """Make `read` return, as if the host had closed its end."""
        if self._reader is not None:
            self._reader.stop()
        self._ended.set()

    def _resume(self) -> None:
        if self._reader is not None:
            self._reader.resume()


class LineReader:
    """Gives a descriptor's lines to `on_line`, a few at a time, as long as `has_room` says so; at last `on_end`."""

    def __init__(
        self,
        fd: int,
        framer: LineFramer,
        *,
        on_line: Callable[[bytes], None],
        on_oversize: Callable[[], None],
        on_end: Callable[[], None],
        has_room: Callable[[], bool],
    ) -> None:
        self._chunks = chunks_of(fd, self._take_chunk)
        self._framer = framer
        self._on_line = on_line
        self._on_oversize = on_oversize
        self._on_end = on_end
        self._has_room = has_room
        self._loop = asyncio.get_running_loop()
        self._lines: deque[bytes | Oversize] = deque()
        self._owes_a_chunk = False
        self._at_end = False
        self._stopped = False
        self._scheduled = False

    def start(self) -> None:
        """Begin to read."""
        self._chunks.more()

    def stop(self) -> None:
        """Take in nothing more."""
        self._stopped = True
        self._chunks.stop()

    def resume(self) -> None:
        """`has_room` may say something else now."""
        if not self._scheduled and not self._stopped and (self._lines or self._owes_a_chunk):
            self._scheduled = True
            self._loop.call_soon(self._take_in_some)

    def _take_chunk(self, chunk: bytes) -> None:
        if chunk:
            self._owes_a_chunk = True
            self._lines += self._framer.feed(chunk)
        else:
            self._at_end = True
        if not self._scheduled:
            self._take_in_some()

    def _take_in_some(self) -> None:
        self._scheduled = False
        for _ in range(min(len(self._lines), LINES_AT_ONCE)):
            if self._stopped or not (self._has_room() or self._at_end):
                return
            line = self._lines.popleft()
            if isinstance(line, Oversize):
                self._on_oversize()
            else:
                self._on_line(line)
        if self._lines:
            self.resume()
        elif self._at_end:
            self._finish()
        elif self._owes_a_chunk and self._has_room():
            self._owes_a_chunk = False
            self._chunks.more()

    def _finish(self) -> None:
        if not self._stopped:
            if self._framer.has_partial_line:
                logger.warning("the host closed stdin in the middle of a line; that line was not executed")
            self._stopped = True
            self._on_end()
