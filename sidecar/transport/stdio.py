"""The stdio connection: one thread reads, one writes, the event loop never waits for either.

Owns the two descriptors of the wire. Knows nothing of JSON: lines go in and out.

Blocking reads sit in a daemon thread because asyncio can not wait for every kind of stdin (files, Windows pipes),
and because a thread of anyio's pool would keep the interpreter alive until end-of-file.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import queue
import select
import stat
import sys
import threading
from collections.abc import Callable

from sidecar.dispatch.outbox import Outbox
from sidecar.transport.framing import MAX_LINE_BYTES, LineFramer, Oversize

logger = logging.getLogger(__name__)

READ_BYTES = 64 * 1024
"""One read: the capacity of a Linux pipe."""

READ_AHEAD_CHUNKS = 4
"""Chunks read but not yet taken in; then the reader waits, and with it the host's writes."""

WRITE_BYTES = 64 * 1024
"""One write, about: what a Linux pipe takes at once."""

MAX_WAITING_BYTES = 8 * 1024 * 1024
"""Unwritten responses beyond which no more requests are read: the host is not reading."""

AT_ONCE_BYTES = 4096
"""PIPE_BUF: a write of at most this does not block on a pipe that `poll` calls writable (POSIX)."""

_HOST_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EBADF, errno.ENOTCONN, errno.EINVAL})


class StdioTransport:
    """The wire over a pair of descriptors."""

    def __init__(self, read_fd: int, write_fd: int, *, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self.outbox = Outbox(self._schedule_flush)
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._framer = LineFramer(max_line_bytes)
        self._read_ahead = threading.Semaphore(READ_AHEAD_CHUNKS)
        self._owed_credits = 0
        self._to_write: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._writing = False
        self._flush_scheduled = False
        self._broken = False
        self._ended = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._poll = _writability_poll(write_fd)

    async def serve(self, on_line: Callable[[bytes], None], on_oversize: Callable[[], None]) -> None:
        """Give every line to `on_line` until the host closes its end. Returns at end-of-file or a broken pipe."""
        self._loop = asyncio.get_running_loop()
        self._on_line, self._on_oversize = on_line, on_oversize
        for target, name in ((self._read, "wire-reader"), (self._write, "wire-writer")):
            threading.Thread(target=target, name=name, daemon=True).start()
        await self._ended.wait()

    async def drain(self) -> None:
        """Wait until everything in the outbox has been written, or the host is gone."""
        self._schedule_flush()
        await self._drained.wait()

    def stop_reading(self) -> None:
        """Make `serve` return, as if the host had closed its end."""
        self._ended.set()

    # --- reading -------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Thread: read chunks and hand them to the loop."""
        while True:
            self._read_ahead.acquire()
            try:
                chunk = os.read(self._read_fd, READ_BYTES)
            except OSError as error:
                logger.warning("reading from the host failed: %s", error)
                chunk = b""
            if not self._call_in_loop(self._take_in, chunk) or not chunk:
                return

    def _take_in(self, chunk: bytes) -> None:
        if not chunk:
            if self._framer.has_partial_line:
                logger.warning("the host closed stdin in the middle of a line; that line was not executed")
            self._ended.set()
            return
        if self._ended.is_set():
            return
        for line in self._framer.feed(chunk):
            if isinstance(line, Oversize):
                self._on_oversize()
            else:
                self._on_line(line)
        self._owed_credits += 1
        self._pay_credits()

    def _pay_credits(self) -> None:
        """Let the reader go on, unless the host does not read what we answer."""
        if self.outbox.waiting_bytes <= MAX_WAITING_BYTES:
            while self._owed_credits:
                self._owed_credits -= 1
                self._read_ahead.release()

    # --- writing -------------------------------------------------------------------------------------------

    def _schedule_flush(self) -> None:
        if not self._flush_scheduled and not self._writing:
            self._flush_scheduled = True
            self._drained.clear()
            # Not at once: what else happens in this turn of the loop goes out in the same write.
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_scheduled = False
        while not self._writing:
            lines = self.outbox.take(WRITE_BYTES)
            self._pay_credits()
            if not lines or self._broken:
                if not lines:
                    self._drained.set()
                    return
                continue  # the host is gone: nothing may pile up
            lines.append(b"")
            data = b"\n".join(lines)
            if len(data) <= AT_ONCE_BYTES and self._poll is not None and self._poll():
                data = self._write_at_once(data)
            if data:
                self._writing = True
                self._to_write.put(data)

    def _write_at_once(self, data: bytes) -> bytes:
        """Write from the loop; returns what is left to write."""
        try:
            return data[os.write(self._write_fd, data) :]
        except OSError as error:
            self._host_is_gone(error)
            return b""

    def _write(self) -> None:
        """Thread: write what the loop hands over, one piece at a time."""
        while True:
            data = memoryview(self._to_write.get())
            try:
                while data:
                    data = data[os.write(self._write_fd, data) :]
            except OSError as error:
                self._call_in_loop(self._host_is_gone, error)
            if not self._call_in_loop(self._written):
                return

    def _written(self) -> None:
        self._writing = False
        self._flush()

    def _host_is_gone(self, error: OSError) -> None:
        if not self._broken:
            level = logging.INFO if error.errno in _HOST_GONE else logging.ERROR
            logger.log(level, "writing to the host failed: %s; stopping", error)
        self._broken = True
        self._ended.set()

    def _call_in_loop(self, function: Callable[..., None], *args: object) -> bool:
        """From a thread: run a function in the loop. False when the loop has ended."""
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            return False
        return True


def _writability_poll(fd: int) -> Callable[[], bool] | None:
    """A question "would a small write block?" for this descriptor; None where it can not be asked reliably."""
    if sys.platform == "win32" or not hasattr(select, "poll"):
        return None
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return None
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return lambda: any(events & select.POLLOUT for _, events in poll.poll(0))
