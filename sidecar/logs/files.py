"""Rotating log files: bounded on disk, never in the way.

Owns one file and its older copies. A file that can not be written is given up with one warning: a full disk must
not stop an engine.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

logger = logging.getLogger(__name__)


class RotatingFile:
    """`name.log`, and `name.log.1` … when it has grown too large."""

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
                self._turn_over()
            os.write(self._fd, data)  # type: ignore[arg-type] # opened above
            self._size += len(data)
        except OSError as error:
            self.problem = f"{self.path.name} is no longer written: {error.strerror}"
            self.close()
            logger.warning("%s", self.problem)  # comes back here where the file is our own, and goes no further

    def clear(self) -> None:
        """Empty the file and remove its older copies."""
        for number in range(1, self._kept + 1):
            self._older(number).unlink(missing_ok=True)
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
        elif self.path.exists():
            os.truncate(self.path, 0)
        self._size = 0
        self.problem = None

    def close(self) -> None:
        """Close the file. Writing opens it again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        self._fd = os.open(self.path, flags, 0o600)
        self._size = os.fstat(self._fd).st_size

    def _turn_over(self) -> None:
        self.close()
        for number in range(self._kept, 0, -1):
            source = self.path if number == 1 else self._older(number - 1)
            if source.exists():
                source.replace(self._older(number))
        self._open()

    def _older(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
