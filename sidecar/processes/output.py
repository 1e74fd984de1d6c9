"""What a child has written and its reader has not read yet.

A program whose pipe is full stands still, so bytes are taken in as they come, whatever the reader does. The reader
comes for them: nothing in here calls it. Does not know what the bytes mean.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

logger = logging.getLogger(__name__)

MAX_UNREAD_BYTES = 8 * 1024 * 1024
"""Beyond it the oldest bytes are dropped. A reader that only takes them in is never behind by more than a pipe's 64 KB:
this bounds what one that waits for something else in between may cost."""


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
        self._news = asyncio.Event()

    def put(self, data: bytes) -> None:
        """Add bytes."""
        self._unread.append(data)
        self._unread_bytes += len(data)
        self._news.set()
        if self._unread_bytes > MAX_UNREAD_BYTES:
            self._drop_oldest()

    def end(self) -> None:
        """Nothing follows."""
        self._has_ended = True
        self._news.set()

    async def read(self) -> bytes:
        """All bytes that have not been read yet, once there are any; empty at the end."""
        while not self._unread:
            if self._has_ended:
                return b""
            self._news.clear()
            await self._news.wait()
        data = b"".join(self._unread)
        self._unread.clear()
        self._unread_bytes = 0
        return data

    async def read_lines(self, *, longest: int) -> bytes | None:
        """Whole lines, those that there are together, without the last LF; `None` at the end.

        Args:
            longest: bytes without an LF that are held back for the end of their line; more are given as a line.
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
            logger.warning("the output of a process is not read as fast as it writes: some of it is dropped")
        while self._unread_bytes > MAX_UNREAD_BYTES:
            dropped = len(self._unread.popleft())
            self._unread_bytes -= dropped
            self.dropped_bytes += dropped
