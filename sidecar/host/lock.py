"""One sidecar per data folder: an operating-system lock, held until the process ends, however it ends."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from sidecar.contract.errors import DataDirLocked, PermissionDenied

logger = logging.getLogger(__name__)


class DataDirLock:
    """The lock on a data folder; the file also has the pid of its holder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock, without waiting.

        Raises:
            DataDirLocked: another process holds it; `pid` is that process, where it is known.
            PermissionDenied: the lock file cannot be made, or not be locked on this file system.
        """
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._refused(error) from error
        try:
            _lock(fd)
        except _LOCKED_BY_ANOTHER:
            pid = _holder(fd)
            os.close(fd)
            raise DataDirLocked(
                f"Another llama-sidecar{f' (process {pid})' if pid else ''} uses {self._path.parent}.",
                data_dir=str(self._path.parent),
                pid=pid,
            ) from None
        except OSError as error:
            os.close(fd)
            raise self._refused(error) from error
        self._fd = fd
        try:
            os.ftruncate(fd, 0)
            os.write(fd, b"%d\n" % os.getpid())
        except OSError as error:  # a full disk: the lock holds all the same
            logger.warning("our process id cannot be written to the lock file: %s", error)

    def release(self) -> None:
        """Release the lock. Safe to call twice."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _refused(self, error: OSError) -> PermissionDenied:
        return PermissionDenied(
            f"The data folder {self._path.parent} cannot be locked: {error.strerror}.",
            hint="Choose a folder on a local disk that you may write to with --data-dir.",
        )


def _holder(fd: int) -> int | None:
    """The pid that the holder wrote there."""
    os.lseek(fd, 0, os.SEEK_SET)
    text = os.read(fd, 32).strip()
    return int(text) if text.isdigit() else None


if sys.platform == "win32":  # untested: no Windows machine here
    _LOCKED_BY_ANOTHER = OSError  # msvcrt has one error for everything

    def _lock(fd: int) -> None:
        import msvcrt

        # Behind the pid, which others may read: Windows locks forbid reading, too.
        os.lseek(fd, 1024, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        os.lseek(fd, 0, os.SEEK_SET)

else:
    _LOCKED_BY_ANOTHER = BlockingIOError

    def _lock(fd: int) -> None:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
