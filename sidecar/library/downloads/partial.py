"""A partial file: its data, and notes of which bytes have been received, side by side in a hidden folder.

Owns these two files, and their integrity check. The notes are written with each piece, so they survive a kill; the
checksums detect what a power cut has lost. For the hash of the whole file the data is read again from its beginning, up
to the first gap: the disk's content counts, so blocks that differ are detected, and only they are fetched again. After
a restart the check starts over in parallel to the transfer: reading is some ten times faster than a network.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import anyio
import anyio.to_thread

from sidecar.contract.errors import PathNotAllowed, StorageError
from sidecar.host import disk_space, file_io
from sidecar.library.downloads.answers import ExpectedHead
from sidecar.library.downloads.blocks import BLOCK_BYTES, HEADER_BYTES, Blocks

BLOCKS_PER_STEP = 8
"""Blocks that are checked in one step, which takes 10 ms and cannot be interrupted."""

SYNC_EVERY_BLOCKS = 64
"""Interval of syncs, so that a power cut loses little, and the end need not wait for the whole file."""

MAX_BAD_BLOCKS = 16
"""The most blocks that may be lost; a disk that loses more is broken."""

_FLAGS = os.O_RDWR | os.O_CREAT | file_io.NOFOLLOW | file_io.BINARY


class PartialFile:
    """A partial file. Everything blocks on the disk: callers use a worker thread, or several for different blocks.

    Args:
        folder: its folder; created by `open`.
        name: of the two files, without their suffixes.
        size: of the whole file; `None` if it is not known.

    Attributes:
        blocks: the received blocks.
    """

    def __init__(self, folder: Path, name: str, size: int | None) -> None:
        self.data = folder / f"{name}.part"
        self._notes = folder / f"{name}.blocks"
        self._size = size
        self.blocks = Blocks(None)  # no memory for the size that a server claims before there is space for it
        self._data_fd = -1
        self._notes_fd = -1

    def open(self) -> None:
        """Open the existing files, or create them; the space on the disk is reserved.

        Raises:
            OSError: there is no space, or the folder cannot be written to.
            PathNotAllowed: something else is in its place.
        """
        self.data.parent.mkdir(parents=True, exist_ok=True)
        there = self.data.exists()
        self._data_fd = _opened(self.data)
        self._notes_fd = _opened(self._notes)
        notes = _read_at(self._notes_fd, 0, os.fstat(self._notes_fd).st_size) if there else b""
        if there and self._size is not None and os.fstat(self._data_fd).st_size != self._size:
            notes = b""
        self.blocks = Blocks.from_notes(notes, self._size)
        if not self.blocks.received:
            self._begin_notes()
        if self._size is not None:
            disk_space.reserve(self._data_fd, self._size)

    def received(self) -> int:
        """The number of received bytes, without opening it."""
        try:
            if self._size is not None and self.data.stat().st_size != self._size:
                return 0
            with file_io.open_ordinary(self._notes) as file:
                return Blocks.from_notes(file.readall(), self._size).received
        except OSError:
            return 0

    def write(self, offset: int, data: bytes) -> None:
        """Write a piece and note it. Raises OSError."""
        with memoryview(data) as view:
            self._write_at(self._data_fd, offset, view)
            for index in self.blocks.note(offset, view):
                place, slot = self.blocks.slot(index)
                self._write_at(self._notes_fd, place, slot)

    def read_block(self, index: int) -> bytes:
        """A whole block, from the disk. Raises OSError."""
        return _read_at(self._data_fd, index * BLOCK_BYTES, self.blocks.length(index))

    def drop(self, index: int) -> None:
        """Mark a block as missing. Raises OSError."""
        self.blocks.drop(index)
        place, slot = self.blocks.slot(index)
        self._write_at(self._notes_fd, place, slot)

    def clear(self) -> None:
        """Mark every block as missing. Raises OSError."""
        self.blocks = Blocks(self._size)
        self._begin_notes()

    def end_at(self, size: int) -> None:
        """Set the size of a file that is complete. Raises OSError."""
        notes = [self.blocks.header(), *(self.blocks.slot(i)[1] for i in range(-(-size // BLOCK_BYTES)))]
        self._size = size
        os.ftruncate(self._data_fd, size)
        self.blocks = Blocks.from_notes(b"".join([Blocks(size).header(), *notes[1:]]), size)
        self._begin_notes()
        self._write_at(self._notes_fd, HEADER_BYTES, b"".join(notes[1:]))

    def sync(self) -> None:
        """Flush the data to the disk. Raises OSError."""
        os.fsync(self._data_fd)

    def close(self) -> None:
        """Close the files. Safe to call twice."""
        for fd in (self._data_fd, self._notes_fd):
            if fd >= 0:
                os.close(fd)
        self._data_fd = self._notes_fd = -1

    def remove(self) -> None:
        """Remove both files. Raises OSError."""
        self.close()
        self.data.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)

    def _begin_notes(self) -> None:
        os.ftruncate(self._notes_fd, 0)
        self._write_at(self._notes_fd, 0, self.blocks.header())

    def _write_at(self, fd: int, offset: int, data: bytes | memoryview) -> None:
        with memoryview(data) as left:
            done = 0
            while done < len(left):
                done += file_io.write_at(fd, left[done:], offset + done)


class Checker:
    """Hashes and checks one file while it is received.

    Attributes:
        position: how many bytes have been read.
    """

    def __init__(self, partial: PartialFile, name: str, head: ExpectedHead) -> None:
        self._partial = partial
        self._name = name
        self._head = head
        self._hash = hashlib.sha256()
        self._next = 0
        self._unsynced = 0
        self._bad = 0
        self.position = 0

    @property
    def done(self) -> bool:
        """Whether all of the file was read."""
        return self.position == self._partial.blocks.size

    @property
    def ready(self) -> bool:
        """Whether there is more to read."""
        return not self.done and self._partial.blocks.whole(self._next)

    def hexdigest(self) -> str:
        """The SHA-256 of the bytes that were read."""
        return self._hash.hexdigest()

    async def advance(self, limiter: anyio.CapacityLimiter) -> None:
        """Check up to BLOCKS_PER_STEP blocks. A block that differs from what was written is marked as missing.

        Raises:
            SidecarError: the file does not begin as expected.
            StorageError: the disk loses data.
            OSError: the disk cannot be read.
        """
        await anyio.to_thread.run_sync(self._advance, limiter=limiter)

    def _advance(self) -> None:
        for _ in range(BLOCKS_PER_STEP):
            if not self.ready:
                break
            data = self._partial.read_block(self._next)
            if not self._partial.blocks.fits(self._next, data):
                self._drop_bad()
                break
            if self._next == 0:
                self._head.check(self._name, data)
            self._hash.update(data)
            self._next += 1
            self.position += len(data)
            self._unsynced += 1
        if self._unsynced >= SYNC_EVERY_BLOCKS:
            self._unsynced = 0
            self._partial.sync()

    def _drop_bad(self) -> None:
        self._bad += 1
        if self._bad > MAX_BAD_BLOCKS:
            raise StorageError(
                f"The disk loses data: {self._bad} blocks of {BLOCK_BYTES:,} bytes of {self._name} were different when "
                f"they were read again.",
                hint="Check the disk, or give another target_dir.",
            )
        self._partial.drop(self._next)


def _opened(path: Path) -> int:
    try:
        fd = os.open(path, _FLAGS, 0o644)
    except OSError as error:
        if path.is_symlink():
            raise PathNotAllowed(f"The download cannot be written over a link: {path}.") from error
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise PathNotAllowed(f"The download cannot be written to what is not an ordinary file: {path}.")
    return fd


def _read_at(fd: int, offset: int, length: int) -> bytes:
    pieces = []
    while length > 0:
        piece = file_io.read_at(fd, length, offset)
        if not piece:
            break
        pieces.append(piece)
        offset += len(piece)
        length -= len(piece)
    return b"".join(pieces)
