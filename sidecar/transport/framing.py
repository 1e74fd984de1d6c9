"""Bytes to lines, without I/O.

Owns how a byte stream is split into lines: at 0x0A only, each line bounded. Knows nothing of a line's content.
"""

from __future__ import annotations

MAX_LINE_BYTES = 16 * 1024 * 1024
"""Default bound of a line in either direction, without its LF: room for a few images in one message."""


class Oversize:
    """A placeholder for a line that was longer than the bound; its bytes are dropped."""

    def __repr__(self) -> str:
        return "OVERSIZE"


OVERSIZE = Oversize()


class LineFramer:
    """Splits a byte stream into lines.

    The lines do not depend on how the stream is cut into chunks. Blank lines are left out, a trailing CR is removed. A
    line over the bound gives one `OVERSIZE` as soon as the bound is passed, and reading continues after its LF; at most
    the bound plus one chunk is held.
    """

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._max = max_line_bytes
        self._pending = bytearray()
        self._skipping = False

    @property
    def has_partial_line(self) -> bool:
        """Whether bytes wait for their LF."""
        return bool(self._pending) or self._skipping

    def feed(self, chunk: bytes) -> list[bytes | Oversize]:
        """The lines that this chunk completes, in order."""
        lines: list[bytes | Oversize] = []
        first, *rest = chunk.split(b"\n")
        if not rest:
            self._extend(first, lines)
            return lines
        self._extend(first, lines)
        self._finish(lines)
        for piece in rest[:-1]:
            self._add(piece, lines)
        self._extend(rest[-1], lines)
        return lines

    def _extend(self, piece: bytes, lines: list[bytes | Oversize]) -> None:
        """Add a piece of a line whose LF has not arrived yet."""
        if self._skipping:
            return
        self._pending += piece
        if len(self._pending) > self._max + 1:  # one more for a CR before the LF
            self._pending.clear()
            self._skipping = True
            lines.append(OVERSIZE)

    def _finish(self, lines: list[bytes | Oversize]) -> None:
        """Finish the pending line at its LF."""
        if self._skipping:
            self._skipping = False
            return
        line = bytes(self._pending)
        self._pending.clear()
        self._add(line, lines)

    def _add(self, line: bytes, lines: list[bytes | Oversize]) -> None:
        line = line.removesuffix(b"\r")
        if len(line) > self._max:
            lines.append(OVERSIZE)
        elif line.strip(b" \t"):
            lines.append(line)
