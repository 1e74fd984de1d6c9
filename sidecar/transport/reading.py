"""Lines from the host, a few at a time and only when there is room for more.

Owns how to wait for a descriptor: in the event loop where the system supports that, else in a thread. The loop takes
about a third of the time of a thread's hand-over, which is most of a `ping`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from sidecar.events.outbox import Outbox
from sidecar.host import descriptors
from sidecar.transport.framing import LineFramer, Oversize

logger = logging.getLogger(__name__)

CHUNK_BYTES = 64 * 1024
"""One read: the capacity of a Linux pipe."""

HANG_UP_INTERVAL_SECONDS = 1.0
"""Between two checks of a paused source whether the host has closed its end: a host that neither reads our answers nor
keeps its end open would never be noticed otherwise. The rest is then in the pipe, which bounds it, and is read whether
there is room or not."""

MAX_WAITING_BYTES = 8 * 1024 * 1024
"""Unwritten responses beyond which no more requests are read: the host is not reading."""

LINES_AT_ONCE = 64
"""Lines handled before other tasks get their turn: one chunk can hold a thousand requests, and quick answers should be
sent before the next requests are started."""

TakeChunk = Callable[[bytes], None]
"""Called in the event loop; an empty chunk is the end."""


class LineReader:
    """Passes a descriptor's lines to `on_line`, a few at a time, while the outbox is read; finally calls `on_end`."""

    def __init__(
        self,
        fd: int,
        framer: LineFramer,
        outbox: Outbox,
        *,
        on_line: Callable[[bytes], None],
        on_oversize: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self._chunks = chunks_of(fd, self._take_chunk)
        self._framer = framer
        self._on_line = on_line
        self._on_oversize = on_oversize
        self._on_end = on_end
        self._outbox = outbox
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
        """Read nothing more."""
        self._stopped = True
        self._chunks.stop()

    def resume(self) -> None:
        """Continue after responses have left the outbox."""
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

    def _has_room(self) -> bool:
        return self._outbox.waiting_bytes <= MAX_WAITING_BYTES

    def _finish(self) -> None:
        if not self._stopped:
            if self._framer.has_partial_line:
                logger.warning("the host closed stdin in the middle of a line; that line was not executed")
            self._stopped = True
            self._on_end()


class Chunks(Protocol):
    """Reads a descriptor. `more` allows one chunk; nothing more is read until the next call."""

    def more(self) -> None: ...

    def stop(self) -> None: ...


def chunks_of(fd: int, take: TakeChunk) -> Chunks:
    """The reader that suits a descriptor; the first `more` starts reading."""
    return LoopChunks(fd, take) if descriptors.is_watchable(fd) else ThreadChunks(fd, take)


class LoopChunks:
    """Pipes, sockets and terminals: the event loop reports when there is something to read."""

    def __init__(self, fd: int, take: TakeChunk) -> None:
        self._fd = fd
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._allowed = False
        self._watching = False
        self._hung_up = False
        self._stopped = False
        self._hang_up_timer: asyncio.TimerHandle | None = None

    def more(self) -> None:
        self._allowed = True
        if not self._watching and not self._stopped:
            self._watch()

    def stop(self) -> None:
        self._stopped = True
        self._unwatch()
        self._end_timer()

    def _readable(self) -> None:
        self._allowed = self._hung_up
        chunk = _read(self._fd)
        self._take(chunk)
        if not chunk:
            self.stop()
        elif not self._allowed and not self._stopped:
            self._unwatch()
            self._hang_up_timer = self._loop.call_later(HANG_UP_INTERVAL_SECONDS, self._check_for_hang_up)

    def _check_for_hang_up(self) -> None:
        self._hung_up = descriptors.has_hung_up(self._fd)
        if self._hung_up:
            self._watch()
        else:
            self._hang_up_timer = self._loop.call_later(HANG_UP_INTERVAL_SECONDS, self._check_for_hang_up)

    def _watch(self) -> None:
        self._end_timer()
        self._watching = True
        self._loop.add_reader(self._fd, self._readable)

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._loop.remove_reader(self._fd)

    def _end_timer(self) -> None:
        if self._hang_up_timer is not None:
            self._hang_up_timer.cancel()
            self._hang_up_timer = None


class ThreadChunks:
    """Files, and everything on Windows: a thread blocks in the reads.

    A daemon, because a thread of anyio's pool would keep the interpreter alive until end-of-file.
    """

    def __init__(self, fd: int, take: TakeChunk) -> None:
        self._fd = fd
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._allowed = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def more(self) -> None:
        self._allowed.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="wire-reader", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stopped = True

    def _run(self) -> None:
        hung_up = False
        while not self._stopped:
            while not hung_up and not self._allowed.wait(timeout=HANG_UP_INTERVAL_SECONDS):
                hung_up = descriptors.has_hung_up(self._fd)
            self._allowed.clear()
            chunk = _read(self._fd)
            try:
                self._loop.call_soon_threadsafe(self._hand_over, chunk)
            except RuntimeError:  # the loop has ended
                return
            if not chunk:
                return

    def _hand_over(self, chunk: bytes) -> None:
        if not self._stopped:
            self._take(chunk)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, CHUNK_BYTES)
    except OSError as error:
        logger.warning("reading from the host failed: %s", error)
        return b""
