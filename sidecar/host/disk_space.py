"""Disk space: how much is free, and reserving it in advance.

Owns the difference between systems. Linux allocates the blocks of a file immediately, where the file system can;
elsewhere the free space is only read, and another program may use it meanwhile. Untested on macOS and Windows.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path

from sidecar.contract.errors import DiskFull

KEPT_FREE_BYTES = 64 * 1024 * 1024
"""Kept free for history and logs, which may be on the same disk."""

_NOT_THERE = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def check_room(folder: Path, needed: int) -> None:
    """Check that a folder's disk has room for `needed` more bytes.

    Raises:
        DiskFull: it has not.
    """
    free = shutil.disk_usage(folder).free
    if needed + KEPT_FREE_BYTES > free:
        raise DiskFull(
            f"{needed:,} bytes are needed and {free:,} are free on the disk of {folder}; "
            f"{KEPT_FREE_BYTES:,} of them are kept for history and logs."
        )


def reserve(fd: int, size: int) -> None:
    """Set a file's length, and allocate its blocks where the system can do that.

    Raises:
        OSError: there is no room, or the file system allows no files of this size.
    """
    if os.fstat(fd).st_size > size:
        os.ftruncate(fd, size)
    if size and sys.platform == "linux":
        # Not os.posix_fallocate: where the file system cannot do it, the C library writes into every block instead.
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        if libc.fallocate(fd, 0, ctypes.c_int64(0), ctypes.c_int64(size)) == 0:
            return
        problem = ctypes.get_errno()
        if problem not in _NOT_THERE:
            raise OSError(problem, os.strerror(problem))
    os.ftruncate(fd, size)
