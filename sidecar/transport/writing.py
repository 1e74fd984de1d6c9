"""What a host is sent: written at once where that can not block, else by a thread.

Owns the descriptor that is written. Knows nothing of JSON: lines come from an outbox.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import queue
import select
import stat
import threading
from collections.abc import Callable

from sidecar.dispatch.outbox import Outbox

logger = logging.getLogger(__name__)

WRITE_BYTES = 64 * 1024
"""One write, about: what a Linux pipe takes at once."""

AT_ONCE_BYTES = 4096
"""PIPE_BUF: a write of at most this does not block on a pipe that `poll` calls writable (POSIX)."""

QUIET_SECONDS = 0.001
"""After so long without a write the next line is written the moment it is there: it is alone. Until then lines wait for
the loop's next turn, and what comes meanwhile goes out in the same write."""

_HOST_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EBADF, errno.ENOTCONN, errno.EINVAL})


class LineWriter:
    """Writes an outbox to a descriptor; tells `on_room` when lines have left the outbox, `on_gone` of a broken pipe."""

    def __init__(self, fd: int, outbox: Outbox, *, on_room: Callable[[], None], on_gone: Callable[[], None]) -> None:
        self._fd = fd
        self._outbox = outbox
        self._on_room = on_room
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._to_write: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._writing = False
        self._scheduled = False
        self._broken = False
        self._flushed_at = 0.0
        self._drained = asyncio.Event()
        self._may_write = _writability_poll(fd)

    def schedule(self) -> None:
        """There is something in the outbox, or may be."""
        if self._scheduled or self._writing:
            return
        self._drained.clear()
        if self._loop.time() - self._flushed_at > QUIET_SECONDS:
            self._flush()
        else:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    async def drain(self) -> None:
        """Wait until everything in the outbox has been written, or the host is gone."""
        self.schedule()
        await self._drained.wait()

    def _flush(self) -> None:
        self._scheduled = True  # what comes meanwhile is taken below, after what is on its way
        try:
            self._write_lines()
        finally:
            self._scheduled = False
            self._flushed_at = self._loop.time()

    def _write_lines(self) -> None:
        while not self._writing:
            lines = self._outbox.take(WRITE_BYTES)
            if not lines:
                self._drained.set()
                return
            self._on_room()
            if self._broken:  # the host is gone: nothing may pile up
                continue
            lines.append(b"")
            data = b"\n".join(lines)
            if len(data) <= AT_ONCE_BYTES and self._may_write():
                data = self._write_at_once(data)
            if data:
                self._hand_over(data)

    def _write_at_once(self, data: bytes) -> bytes:
        """Write from the loop; returns what is left to write."""
        try:
            return data[os.write(self._fd, data) :]
        except OSError as error:
            self._break(error)
            return b""

    def _hand_over(self, data: bytes) -> None:
        self._writing = True
        self._to_write.put(data)
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="wire-writer", daemon=True)
            self._thread.start()

    def _write(self) -> None:
        """Thread: write what the loop hands over, one piece at a time."""
        while True:
            data, failure = memoryview(self._to_write.get()), None
            try:
                while data:
                    data = data[os.write(self._fd, data) :]
            except OSError as error:
                failure = error
            try:
                self._loop.call_soon_threadsafe(self._written, failure)
            except RuntimeError:  # the loop has ended
                return

    def _written(self, failure: OSError | None) -> None:
        if failure is not None:
            self._break(failure)
        self._writing = False
        self._flush()

    def _break(self, error: OSError) -> None:
        if not self._broken:
            level = logging.INFO if error.errno in _HOST_GONE else logging.ERROR
            logger.log(level, "writing to the host failed: %s; stopping", error)
        self._broken = True
        self._on_gone()


def _writability_poll(fd: int) -> Callable[[], bool]:
    """A question "would a small write go through at once?"; the answer is no where it can not be asked reliably."""
    if not hasattr(select, "poll"):  # Windows
        return lambda: False
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return lambda: False
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    # A pipe whose reader is gone counts, too: the write then says so.
    return lambda: bool(poll.poll(0))
