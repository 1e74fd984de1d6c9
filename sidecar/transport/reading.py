"""What a host sends: one thread reads, the event loop takes in lines.

Owns the descriptor that is read, and how far reading may run ahead. Knows nothing of what a line says.

Blocking reads sit in a daemon thread because asyncio can not wait for every kind of stdin (files, Windows pipes),
and because a thread of anyio's pool would keep the interpreter alive until end-of-file.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import threading
from collections import deque
from collections.abc import Callable

from sidecar.transport.framing import LineFramer, Oversize

logger = logging.getLogger(__name__)

READ_BYTES = 64 * 1024
"""One read: the capacity of a Linux pipe."""

READ_AHEAD_CHUNKS = 4
"""Chunks read but not yet taken in; then the reader waits, and with it the host's writes."""

LINES_AT_ONCE = 64
"""Lines taken in before everything else gets its turn: one chunk can hold a thousand requests, and the answers to
those that take no time should be on their way before the next ones are begun."""

HANG_UP_INTERVAL_SECONDS = 1.0
"""How often a reader that must wait looks whether the host has closed its end: a host that neither reads our answers
nor keeps its end open would never be noticed otherwise."""


class LineReader:
    """Gives a descriptor's lines to `on_line`, a few at a time, as long as `may_go_on` says so; at last `on_end`."""

    def __init__(
        self,
        fd: int,
        framer: LineFramer,
        *,
        on_line: Callable[[bytes], None],
        on_oversize: Callable[[], None],
        on_end: Callable[[], None],
        may_go_on: Callable[[], bool],
    ) -> None:
        self._fd = fd
        self._framer = framer
        self._on_line = on_line
        self._on_oversize = on_oversize
        self._on_end = on_end
        self._may_go_on = may_go_on
        self._loop = asyncio.get_running_loop()
        self._credits = threading.Semaphore(READ_AHEAD_CHUNKS)
        self._owed_credits = 0
        self._lines: deque[bytes | Oversize] = deque()
        self._at_end = False
        self._stopped = False
        self._scheduled = False

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._read, name="wire-reader", daemon=True).start()

    def stop(self) -> None:
        """Take in nothing more."""
        self._stopped = True

    def go_on(self) -> None:
        """`may_go_on` may say something else now."""
        if not self._scheduled and not self._stopped and (self._lines or self._owed_credits):
            self._scheduled = True
            self._loop.call_soon(self._take_in_some)

    def _read(self) -> None:
        """Thread: read chunks and hand them to the loop."""
        hung_up = False
        while True:
            while not hung_up and not self._credits.acquire(timeout=HANG_UP_INTERVAL_SECONDS):
                hung_up = _has_hung_up(self._fd)  # then what is left is in the pipe, and bounded by it
            try:
                chunk = os.read(self._fd, READ_BYTES)
            except OSError as error:
                logger.warning("reading from the host failed: %s", error)
                chunk = b""
            try:
                self._loop.call_soon_threadsafe(self._take_chunk, chunk)
            except RuntimeError:  # the loop has ended
                return
            if not chunk:
                return

    def _take_chunk(self, chunk: bytes) -> None:
        if self._stopped:
            return
        if chunk:
            self._owed_credits += 1
            self._lines += self._framer.feed(chunk)
        else:
            self._at_end = True
        if not self._scheduled:
            self._take_in_some()

    def _take_in_some(self) -> None:
        self._scheduled = False
        for _ in range(min(len(self._lines), LINES_AT_ONCE)):
            if self._stopped or not (self._may_go_on() or self._at_end):
                return
            line = self._lines.popleft()
            if isinstance(line, Oversize):
                self._on_oversize()
            else:
                self._on_line(line)
        if self._lines:
            self.go_on()
        elif self._at_end:
            self._finish()
        elif self._may_go_on():
            while self._owed_credits:
                self._owed_credits -= 1
                self._credits.release()

    def _finish(self) -> None:
        if not self._stopped:
            if self._framer.has_partial_line:
                logger.warning("the host closed stdin in the middle of a line; that line was not executed")
            self._stopped = True
            self._on_end()


def _has_hung_up(fd: int) -> bool:
    """Whether nobody can write to the other end any more; False where that can not be asked."""
    if not hasattr(select, "poll"):  # Windows
        return False
    poll = select.poll()
    poll.register(fd, getattr(select, "POLLRDHUP", 0))
    return any(events & ~select.POLLIN for _, events in poll.poll(0))
