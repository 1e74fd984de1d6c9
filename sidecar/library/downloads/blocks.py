"""Which bytes of a file are here: blocks of one size, each filled from its beginning, each with a checksum.

Pure. Owns what is missing, in which parts it is fetched, and how this is written down so that a kill at any moment
costs nothing that was noted, and a power cut nothing that the checksums do not find.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterator

import msgspec

BLOCK_BYTES = 1024 * 1024
"""What is fetched again where a checksum does not fit. The notes take 12 bytes a block: 480 KB for a file of 40 GB."""

MIN_PART_BYTES = 8 * BLOCK_BYTES
MAX_PART_BYTES = 64 * BLOCK_BYTES
"""Of one request. Smaller ones cost round trips; larger ones leave one connection with the rest of the file."""

PARTS_A_CONNECTION = 4
"""So many parts at least, where the file is large enough, so that no connection waits long for the others."""

_HEADER = struct.Struct("<8sIIQ8x")
_MAGIC = b"SCBLOCKS"
_VERSION = 1
_UNKNOWN = 2**64 - 1
_SLOT = struct.Struct("<III")
HEADER_BYTES = _HEADER.size


class Part(msgspec.Struct):
    """A stretch to fetch; `start` moves on as it comes."""

    start: int
    end: int


class Blocks:
    """The blocks of one file.

    Writers note what they have written; one thread writes into a block at a time.

    Args:
        size: of the file; `None` where it is not known yet.
    """

    def __init__(self, size: int | None) -> None:
        self.size = size
        count = 0 if size is None else -(-size // BLOCK_BYTES)
        self._filled = array("I", bytes(4 * count))
        self._sums = array("I", bytes(4 * count))

    @classmethod
    def from_notes(cls, notes: bytes, size: int | None) -> Blocks:
        """As it was written down; empty where the notes are of another file or damaged, block by block."""
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
        """What the notes begin with."""
        return _HEADER.pack(_MAGIC, _VERSION, BLOCK_BYTES, _UNKNOWN if self.size is None else self.size)

    def slot(self, index: int) -> tuple[int, bytes]:
        """Where in the notes a block is written down, and how."""
        filled, checksum = self._filled[index], self._sums[index]
        place = HEADER_BYTES + index * _SLOT.size
        return place, _SLOT.pack(filled, checksum, _check(index, filled, checksum))

    def note(self, offset: int, data: memoryview) -> list[int]:
        """Take in what was written at an offset; returns the blocks it is in."""
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
        """Whether a block, read again, is what was written."""
        return len(data) == self._filled[index] and zlib.crc32(data) == self._sums[index]

    def drop(self, index: int) -> None:
        """Forget a block: it is to be fetched again."""
        self._filled[index] = self._sums[index] = 0

    def clear(self) -> None:
        """Forget everything."""
        for index in range(len(self._filled)):
            self.drop(index)

    @property
    def received(self) -> int:
        """Bytes that are here."""
        return sum(self._filled)

    @property
    def complete(self) -> bool:
        """Whether nothing is missing; never where the size is not known."""
        return self.size is not None and self.received == self.size

    def whole(self, index: int) -> bool:
        """Whether a block is there to its end."""
        return index < len(self._filled) and 0 < self._filled[index] == self.length(index)

    def capacity(self) -> int:
        """How many blocks there are, or could be."""
        return 2**32 if self.size is None else len(self._filled)

    def length(self, index: int) -> int:
        """Bytes of a block."""
        return BLOCK_BYTES if self.size is None else min(BLOCK_BYTES, self.size - index * BLOCK_BYTES)

    def missing(self) -> Iterator[Part]:
        """The stretches that are not here, in their order."""
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
        """What is missing, cut for so many connections, in order."""
        if self.size is None:
            return []
        even = self.size // (connections * PARTS_A_CONNECTION)
        length = min(max(even, MIN_PART_BYTES), MAX_PART_BYTES) // BLOCK_BYTES * BLOCK_BYTES
        cut: list[Part] = []
        for stretch in self.missing():
            while stretch.start < stretch.end:
                end = min(stretch.end, (stretch.start // BLOCK_BYTES) * BLOCK_BYTES + length)
                cut.append(Part(stretch.start, end))
                stretch.start = end
        return cut

    def _grow(self, index: int) -> None:
        while len(self._filled) <= index:
            self._filled.append(0)
            self._sums.append(0)


def _check(index: int, filled: int, checksum: int) -> int:
    return zlib.crc32(struct.pack("<III", index, filled, checksum))
