"""Files, where systems differ: flags to open them with, reading and writing at an offset, replacing, and being durable.

Owns the differences, and knows nothing of a file's content. Everything here blocks on the disk. No flag is needed to
keep a descriptor from children: Python does that for each (PEP 446). Untested on Windows and macOS.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
import time
from io import FileIO
from pathlib import Path

WINDOWS_RETRY_SECONDS = 2.5
"""How long to retry a replace that Windows refuses because a scanner or editor has the file open."""

WINDOWS_RETRY_INTERVAL_SECONDS = 0.05

# NOFOLLOW: the open fails where the name is a link. NONBLOCK: that of a pipe does not wait for its other end.
# BINARY: bytes stay as they are, line ends too.
if sys.platform == "win32":
    NOFOLLOW, NONBLOCK, BINARY = 0, 0, os.O_BINARY
else:
    NOFOLLOW, NONBLOCK, BINARY = os.O_NOFOLLOW, os.O_NONBLOCK, 0

READ_BYTES = 1024 * 1024
"""Bytes of one read."""

_seeking = threading.Lock()
"""Windows has no pread and pwrite: there, setting a position and using it is one critical section."""


class NotOrdinary(OSError):
    """A folder, pipe, socket or device stands under a file's name."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(errno.EINVAL, "not an ordinary file", os.fspath(path))


def open_ordinary(path: str | os.PathLike[str]) -> FileIO:
    """Open an ordinary file to be read, without waiting for the other end of a pipe, or waking a device.

    Raises:
        NotOrdinary: something else stands there.
        OSError: it cannot be opened.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - the caller may have text
        raise NotOrdinary(path)
    file = FileIO(path, opener=lambda name, flags: os.open(name, flags | NONBLOCK))
    try:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # it was replaced in between
            raise NotOrdinary(path)
    except BaseException:
        file.close()
        raise
    return file


def open_file(path: Path, flags: int, mode: int = 0o600) -> int:
    """A descriptor of an ordinary file that is to be written, or does not exist yet.

    Raises:
        NotOrdinary: something else stands there.
        OSError: it cannot be opened.
    """
    require_ordinary(path)
    fd = os.open(path, flags | NONBLOCK | BINARY, mode)
    if not stat.S_ISREG(os.fstat(fd).st_mode):  # it was replaced in between
        os.close(fd)
        raise NotOrdinary(path)
    return fd


def require_ordinary(path: Path) -> None:
    """Check that a path is an ordinary file, or nothing yet. Raises OSError."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise NotOrdinary(path)


def read_bytes(path: Path, most: int = sys.maxsize) -> bytes:
    """The content of an ordinary file, or at most so many bytes of its beginning.

    Raises:
        NotOrdinary: something else stands there.
        OSError: it cannot be read, or is one of the kernel's that would have to be waited for.
    """
    pieces: list[bytes] = []
    with open_ordinary(path) as file:
        while most > 0 and (piece := os.read(file.fileno(), min(most, READ_BYTES))):
            pieces.append(piece)
            most -= len(piece)
    return b"".join(pieces)


def read_at(fd: int, length: int, offset: int) -> bytes:
    """At most `length` bytes from an offset; empty at the end of the file. Raises OSError."""
    if sys.platform == "win32":
        with _seeking:
            os.lseek(fd, offset, os.SEEK_SET)
            return os.read(fd, length)
    else:
        return os.pread(fd, length, offset)


def write_at(fd: int, data: bytes | memoryview, offset: int) -> int:
    """Write at an offset; returns how many bytes were taken. Raises OSError."""
    if sys.platform == "win32":
        with _seeking:
            os.lseek(fd, offset, os.SEEK_SET)
            return os.write(fd, data)
    else:
        return os.pwrite(fd, data, offset)


def copy_piece(source: int, target: int, length: int) -> int:
    """Copy at most `length` bytes between two descriptors, from their positions; returns how many, 0 at the end.

    On Linux the kernel copies where it can, and shares the blocks on file systems that support it.

    Raises:
        OSError: reading or writing failed.
    """
    if sys.platform == "linux":
        try:
            return os.copy_file_range(source, target, length)
        except OSError:  # not between these two file systems; a full disk is reported again below
            pass
    piece = os.read(source, length)
    left = piece
    while left:
        left = left[os.write(target, left) :]
    return len(piece)


def replace(source: Path, target: Path) -> None:
    """Rename, replacing an existing file. Raises OSError; then both files are unchanged."""
    if sys.platform != "win32":
        source.replace(target)
    else:
        deadline = time.monotonic() + WINDOWS_RETRY_SECONDS
        while True:
            try:
                source.replace(target)
            except PermissionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(WINDOWS_RETRY_INTERVAL_SECONDS)
            else:
                return


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; Windows has no such call and needs none. Raises OSError."""
    if sys.platform != "win32":
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
