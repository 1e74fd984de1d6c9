"""One sidecar a data folder: an operating-system lock, held until the process ends however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sidecar.contract.errors import DataDirLocked


class DataDirLock:
    """The lock on a data folder; the file also says who holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock, without waiting.

        Raises:
            DataDirLocked: another process has it; `pid` says which, where it is known.
        """
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            _lock(fd)
        except OSError:
            holder = os.pread(fd, 32, 0) if hasattr(os, "pread") else b""
            os.close(fd)
            pid = int(holder) if holder.strip().isdigit() else None
            raise DataDirLocked(
                f"Another llama-sidecar{f' (process {pid})' if pid else ''} works on {self._path.parent}.",
                data_dir=str(self._path.parent),
                pid=pid,
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, b"%d\n" % os.getpid())
        self._fd = fd

    def release(self) -> None:
        """Give the lock back. Safe to call twice."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


if sys.platform == "win32":  # untested: no Windows machine here

    def _lock(fd: int) -> None:
        import msvcrt

        # Past the pid, which others may want to read: Windows locks forbid reading, too.
        os.lseek(fd, 1024, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        os.lseek(fd, 0, os.SEEK_SET)

else:

    def _lock(fd: int) -> None:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
