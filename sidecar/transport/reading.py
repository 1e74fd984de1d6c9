"""What a host sends, as lines.

Owns how many lines are taken in at a time, and that none are while there is no room. Knows nothing of what a line
says.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from sidecar.transport.chunks import chunks_of
from sidecar.transport.framing import LineFramer, Oversize

logger = logging.getLogger(__name__)

LINES_AT_ONCE = 64
"""Lines taken in before everything else gets its turn: one chunk can hold a thousand requests, and the answers to
those that take no time should be on their way before the next ones are begun."""


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
        self._chunks = chunks_of(fd, self._take_chunk)
        self._framer = framer
        self._on_line = on_line
        self._on_oversize = on_oversize
        self._on_end = on_end
        self._may_go_on = may_go_on
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

    def go_on(self) -> None:
        """`may_go_on` may say something else now."""
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
        elif self._owes_a_chunk and self._may_go_on():
            self._owes_a_chunk = False
            self._chunks.more()

    def _finish(self) -> None:
        if not self._stopped:
            if self._framer.has_partial_line:
                logger.warning("the host closed stdin in the middle of a line; that line was not executed")
            self._stopped = True
            self._on_end()
