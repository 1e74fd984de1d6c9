"""Rotating log files of bounded size.

Owns one file and its rotated copies. A file that cannot be written is closed with one warning: a full disk must
not stop an engine.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from pathlib import Path

from sidecar.host import file_io

logger = logging.getLogger(__name__)

# NONBLOCK: opening a pipe in its place would wait for a reader.
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | file_io.BINARY | file_io.NOFOLLOW | file_io.NONBLOCK


class RotatingFile:
    """`name.log`, and its rotated copies `name.log.1` …"""

    def __init__(self, path: Path, *, max_bytes: int, kept: int) -> None:
        self.path = path
        self.problem: str | None = None
        self._max_bytes = max_bytes
        self._kept = kept
        self._fd: int | None = None
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes in the newest file."""
        if self._fd is None and self.path.exists():
            return self.path.stat().st_size
        return self._size

    def write(self, data: bytes) -> None:
        """Append whole lines."""
        if self.problem is not None:
            return
        try:
            if self._fd is None:
                self._open()
            elif self._size + len(data) > self._max_bytes:
                self._rotate()
            os.write(self._fd, data)  # type: ignore[arg-type] # opened above
            self._size += len(data)
        except OSError as error:
            self.problem = f"{self.path.name} is no longer written: {error.strerror}"
            self.close()
            logger.warning("%s", self.problem)  # reaches this method again where the file is our own, and ends there

    def clear(self) -> None:
        """Empty the file, or remove it where it is not open, and remove its rotated copies."""
        for number in range(1, self._kept + 1):
            self._older(number).unlink(missing_ok=True)
        self.problem = None
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
        else:
            self.path.unlink(missing_ok=True)  # not emptied: that would follow a link
        self._size = 0

    def close(self) -> None:
        """Close the file. Writing opens it again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> None:
        fd = os.open(self.path, _FLAGS, 0o600)
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "something that is not a file is in its place")
        self._fd, self._size = fd, found.st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(self._kept, 0, -1):
            source = self.path if number == 1 else self._older(number - 1)
            if source.exists():
                source.replace(self._older(number))
        self._open()

    def _older(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
