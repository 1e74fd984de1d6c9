"""What a host is sent: written at once where that can not block, else by a thread.

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
from time import monotonic

from sidecar.dispatch.outbox import Outbox
from sidecar.host import descriptors

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
    """Writes an outbox to a descriptor.

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
        self._to_write: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._writing = False
        self._scheduled = False
        self._broken = False
        self._flushed_at = 0.0
        self._drained: asyncio.Event | None = None
        self._poll = _writability_poll(fd)

    def schedule(self) -> None:
        """There is something in the outbox, or may be."""
        if self._scheduled or self._writing:
            return
        self._scheduled = True  # what comes meanwhile is taken after what is on its way
        if monotonic() - self._flushed_at > QUIET_SECONDS:
            self._flush()
        else:
            self._loop.call_soon(self._flush)

    async def drain(self) -> None:
        """Wait until everything in the outbox has been written, or the host is gone."""
        drained = self._drained = self._drained or asyncio.Event()
        self.schedule()
        await drained.wait()

    def _flush(self) -> None:
        outbox = self._outbox
        try:
            while outbox.queue and not self._writing:
                waiting_bytes = outbox.waiting_bytes
                lines = outbox.take(WRITE_BYTES)
                if outbox.waiting_bytes < waiting_bytes:
                    self._on_room()
                if lines and not self._broken:  # else the host is gone: nothing may pile up
                    lines.append(b"")
                    self._write_or_hand_over(b"\n".join(lines))
            if self._drained is not None and not self._writing:
                self._drained.set()
                self._drained = None
        finally:
            self._scheduled = False
            self._flushed_at = monotonic()

    def _write_or_hand_over(self, data: bytes) -> None:
        if len(data) <= AT_ONCE_BYTES and self._poll(0):
            try:
                data = data[os.write(self._fd, data) :]
            except OSError as error:
                self._break(error)
                return
        if data:
            self._hand_over(data)

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
        self._scheduled = True
        self._flush()

    def _break(self, error: OSError) -> None:
        if not self._broken:
            level = logging.INFO if error.errno in _HOST_GONE else logging.ERROR
            logger.log(level, "writing to the host failed: %s; stopping", error)
        self._broken = True
        self._on_gone()


def _writability_poll(fd: int) -> Callable[[int], object]:
    """A question "would a small write go through within so many ms?"; never, where it can not be asked reliably."""
    mode = os.fstat(fd).st_mode
    poll = descriptors.writable_poll(fd) if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None
    return poll or (lambda _: False)
