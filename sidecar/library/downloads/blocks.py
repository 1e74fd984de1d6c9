"""Which bytes of a file have been received: blocks of one size, each filled from its beginning, with a checksum.

Pure. Owns which bytes are missing, in which parts they are fetched, and the format of the notes, which survive a kill
at any time; after a power cut the checksums detect lost blocks.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterator

import msgspec

BLOCK_BYTES = 1024 * 1024
"""The unit that is fetched again after a checksum error. The notes take 12 bytes a block: 480 KB for 40 GB."""

MIN_PART_BYTES = 8 * BLOCK_BYTES
MAX_PART_BYTES = 64 * BLOCK_BYTES
"""Size of one request. Smaller ones cost round trips; larger ones leave one connection with the rest of the file."""

PARTS_PER_CONNECTION = 4
"""The least number of parts if the file is large enough, so that no connection waits long for the others."""

_HEADER = struct.Struct("<8sIIQ8x")
_MAGIC = b"SCBLOCKS"
_VERSION = 1
_UNKNOWN = 2**64 - 1
_SLOT = struct.Struct("<III")
HEADER_BYTES = _HEADER.size


class Part(msgspec.Struct):
    """A range to fetch; `start` advances as bytes arrive."""

    start: int
    end: int


class Blocks:
    """The blocks of one file.

    Writers note what they have written; only one thread may write into a block at a time.

    Args:
        size: of the file in bytes; `None` if it is not known yet.
    """

    def __init__(self, size: int | None) -> None:
        self.size = size
        count = 0 if size is None else -(-size // BLOCK_BYTES)
        self._filled = array("I", bytes(4 * count))
        self._sums = array("I", bytes(4 * count))

    @classmethod
    def from_notes(cls, notes: bytes, size: int | None) -> Blocks:
        """The blocks according to the notes; damaged entries, or all if they belong to another file, are empty."""
        blocks = cls(size)
        if len(notes) < HEADER_BYTES:
            return blocks
        if notes[:HEADER_BYTES] != blocks.header():
            return blocks
        for index in range(min((len(notes) - HEADER_BYTES) // _SLOT.size, blocks.capacity())):
            filled, checksum, check = _SLOT.unpack_from(notes, HEADER_BYTES + index * _SLOT.size)
            if size is None:
                blocks._grow(index)
            if check == _check(index, filled, checksum) and filled <= blocks.length(index):
                blocks._filled[index], blocks._sums[index] = filled, checksum
        return blocks

    def header(self) -> bytes:
        """The header of the notes."""
        return _HEADER.pack(_MAGIC, _VERSION, BLOCK_BYTES, _UNKNOWN if self.size is None else self.size)

    def slot(self, index: int) -> tuple[int, bytes]:
        """The position and the bytes of a block's entry in the notes."""
        filled, checksum = self._filled[index], self._sums[index]
        place = HEADER_BYTES + index * _SLOT.size
        return place, _SLOT.pack(filled, checksum, _check(index, filled, checksum))

    def note(self, offset: int, data: memoryview) -> list[int]:
        """Record data that was written at an offset; returns the indices of its blocks."""
        touched = []
        while data:
            index, within = divmod(offset, BLOCK_BYTES)
            if self.size is None:
                self._grow(index)
            if index >= self.capacity():
                raise ValueError("more than the file has")
            if within != self._filled[index]:
                raise ValueError(f"block {index} is filled to {self._filled[index]}, not to {within}")
            piece = data[: BLOCK_BYTES - within]
            if within + len(piece) > self.length(index):
                raise ValueError("more than its last block has")
            self._sums[index] = zlib.crc32(piece, self._sums[index])
            self._filled[index] = within + len(piece)
            touched.append(index)
            offset += len(piece)
            data = data[len(piece) :]
        return touched

    def fits(self, index: int, data: bytes | memoryview) -> bool:
        """Whether a block that was read again has the noted checksum."""
        return len(data) == self._filled[index] and zlib.crc32(data) == self._sums[index]

    def drop(self, index: int) -> None:
        """Mark a block as missing, to be fetched again."""
        self._filled[index] = self._sums[index] = 0

    def clear(self) -> None:
        """Mark every block as missing."""
        for index in range(len(self._filled)):
            self.drop(index)

    @property
    def received(self) -> int:
        """The number of received bytes."""
        return sum(self._filled)

    @property
    def complete(self) -> bool:
        """Whether nothing is missing; False if the size is not known."""
        return self.size is not None and self.received == self.size

    def whole(self, index: int) -> bool:
        """Whether a block is filled to its end."""
        return index < len(self._filled) and 0 < self._filled[index] == self.length(index)

    def capacity(self) -> int:
        """How many blocks the file has; if its size is not known, an upper bound."""
        return 2**32 if self.size is None else len(self._filled)

    def length(self, index: int) -> int:
        """The size of a block in bytes."""
        return BLOCK_BYTES if self.size is None else min(BLOCK_BYTES, self.size - index * BLOCK_BYTES)

    def missing(self) -> Iterator[Part]:
        """The missing ranges, in order."""
        current: Part | None = None
        for index, filled in enumerate(self._filled):
            begin, end = index * BLOCK_BYTES + filled, index * BLOCK_BYTES + self.length(index)
            if current is not None and (filled or begin == end):
                yield current
                current = None
            if begin < end:
                if current is None:
                    current = Part(begin, end)
                else:
                    current.end = end
        if current is not None:
            yield current

    def parts(self, connections: int) -> list[Part]:
        """The missing ranges, split into parts for so many connections, in order."""
        if self.size is None:
            return []
        even = self.size // (connections * PARTS_PER_CONNECTION)
        length = min(max(even, MIN_PART_BYTES), MAX_PART_BYTES) // BLOCK_BYTES * BLOCK_BYTES
        cut: list[Part] = []
        for missing in self.missing():
            while missing.start < missing.end:
                end = min(missing.end, (missing.start // BLOCK_BYTES) * BLOCK_BYTES + length)
                cut.append(Part(missing.start, end))
                missing.start = end
        return cut

    def _grow(self, index: int) -> None:
        while len(self._filled) <= index:
            self._filled.append(0)
            self._sums.append(0)


def _check(index: int, filled: int, checksum: int) -> int:
    return zlib.crc32(struct.pack("<III", index, filled, checksum))
