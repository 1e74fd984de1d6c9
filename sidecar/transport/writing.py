"""Writing to a host: immediately where that cannot block, else in a thread.

Owns the descriptor that is written. Knows nothing of JSON: lines come from an outbox.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import queue
import stat
import threading
from collections.abc import Callable

from sidecar.events.outbox import Outbox
from sidecar.host import descriptors

logger = logging.getLogger(__name__)

WRITE_BYTES = 64 * 1024
"""About the size of one write: the capacity of a Linux pipe."""

IMMEDIATE_BYTES = 4096
"""PIPE_BUF: a write of at most this does not block on a pipe that `poll` calls writable (POSIX)."""

_HOST_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EBADF, errno.ENOTCONN, errno.EINVAL})


class LineWriter:
    """Writes an outbox to a descriptor, in a task of its own.

    Lines that arrive during a write, or in one turn of the loop, are written together.

    Args:
        on_room: called when responses have left the outbox.
        on_gone: called when the pipe is broken.
    """

    def __init__(self, fd: int, outbox: Outbox, *, on_room: Callable[[], None], on_gone: Callable[[], None]) -> None:
        self._fd = fd
        self._outbox = outbox
        self._on_room = on_room
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._to_write: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._broken = False
        self._idle = asyncio.Event()
        self._poll = _writability_poll(fd)
        self._task = self._loop.create_task(self._write_all())

    async def drain(self) -> None:
        """Wait until everything in the outbox has been written, or the host is gone."""
        while (self._outbox.queue or not self._idle.is_set()) and not self._task.done():
            await self._idle.wait()
            await asyncio.sleep(0)  # gives the task its turn first, where something has just arrived

    async def _write_all(self) -> None:
        outbox = self._outbox
        while True:
            self._idle.set()
            await outbox.news.wait()
            self._idle.clear()
            outbox.news.clear()
            while outbox.queue:
                waiting_bytes = outbox.waiting_bytes
                lines = outbox.take(WRITE_BYTES)
                if outbox.waiting_bytes < waiting_bytes:
                    self._on_room()
                if lines and not self._broken:  # else the host is gone: lines must not accumulate
                    lines.append(b"")
                    await self._write(b"\n".join(lines))

    async def _write(self, data: bytes) -> None:
        try:
            if len(data) <= IMMEDIATE_BYTES and self._poll(0):
                data = data[os.write(self._fd, data) :]
            if data:
                await self._hand_over(data)
        except OSError as error:
            level = logging.INFO if error.errno in _HOST_GONE else logging.ERROR
            logger.log(level, "writing to the host failed: %s; stopping", error)
            self._broken = True
            self._on_gone()

    def _hand_over(self, data: bytes) -> asyncio.Future[None]:
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_in_thread, name="wire-writer", daemon=True)
            self._thread.start()
        written: asyncio.Future[None] = self._loop.create_future()
        self._to_write.put((data, written))
        return written

    def _write_in_thread(self) -> None:
        """Write what the loop hands over, one piece at a time. A write takes as long as the host takes to read."""
        while True:
            data, written = self._to_write.get()
            rest, failure = memoryview(data), None
            try:
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
            except OSError as error:
                failure = error
            try:
                self._loop.call_soon_threadsafe(_end, written, failure)
            except RuntimeError:  # the loop has ended
                return


def _end(written: asyncio.Future[None], failure: OSError | None) -> None:
    if written.cancelled():
        return
    if failure is None:
        written.set_result(None)
    else:
        written.set_exception(failure)


def _writability_poll(fd: int) -> Callable[[int], object]:
    """Returns whether a small write would succeed within so many ms; never, where that is unreliable."""
    mode = os.fstat(fd).st_mode
    poll = descriptors.writable_poll(fd) if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None
    return poll or (lambda _: False)
