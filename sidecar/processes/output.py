"""Output of a child that its reader has not read yet.

A program whose pipe is full blocks, so bytes are buffered as they arrive, whatever the reader does. The reader pulls
them: nothing in here calls it. Does not know the meaning of the bytes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

logger = logging.getLogger(__name__)

MAX_UNREAD_BYTES = 8 * 1024 * 1024
"""Beyond it the oldest bytes are dropped. A reader that only reads is never behind by more than a pipe's 64 KB: this
bounds the memory for one that waits for something else in between."""


class ChildOutput:
    """The bytes of one child, for one reader.

    Attributes:
        dropped_bytes: how many were dropped, since the reader did not keep up.
    """

    def __init__(self) -> None:
        self.dropped_bytes = 0
        self._unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self._partial = b""
        self._has_ended = False
        self._changed = asyncio.Event()

    def put(self, data: bytes) -> None:
        """Add bytes."""
        self._unread.append(data)
        self._unread_bytes += len(data)
        self._changed.set()
        if self._unread_bytes > MAX_UNREAD_BYTES:
            self._drop_oldest()

    def end(self) -> None:
        """Nothing follows."""
        self._has_ended = True
        self._changed.set()

    async def read(self) -> bytes:
        """All unread bytes, once there are any; empty at the end."""
        while not self._unread:
            if self._has_ended:
                return b""
            self._changed.clear()
            await self._changed.wait()
        data = b"".join(self._unread)
        self._unread.clear()
        self._unread_bytes = 0
        return data

    async def read_lines(self, *, longest: int) -> bytes | None:
        """All whole lines that are unread, without the last LF; `None` at the end.

        Args:
            longest: bytes without an LF that are held back for the end of their line; more are returned as a line.
        """
        while data := await self.read():
            head, separator, tail = (self._partial + data).rpartition(b"\n")
            if len(tail) > longest:
                head, separator, tail = head + separator + tail, b"\n", b""
            self._partial = tail
            if separator:
                return head
        rest, self._partial = self._partial, b""
        return rest or None

    def _drop_oldest(self) -> None:
        if not self.dropped_bytes:
            logger.warning("a process writes faster than its output is read: some of it is dropped")
        while self._unread_bytes > MAX_UNREAD_BYTES:
            dropped = len(self._unread.popleft())
            self._unread_bytes -= dropped
            self.dropped_bytes += dropped
