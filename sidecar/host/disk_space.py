"""Room on a disk: how much there is, and taking it before it is needed.

Owns the difference between systems. Linux takes the blocks of a file immediately, where the file system can;
elsewhere the free room is only read, and another program may use it meanwhile. Untested on macOS and Windows.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path

from sidecar.contract.errors import DiskFull

KEPT_FREE_BYTES = 64 * 1024 * 1024
"""Left for history and logs, which may lie on the same disk."""

_NOT_THERE = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def check_room(folder: Path, needed: int) -> None:
    """See that a folder's disk has room for so many more bytes.

    Raises:
        DiskFull: it has not.
    """
    free = shutil.disk_usage(folder).free
    if needed + KEPT_FREE_BYTES > free:
        raise DiskFull(
            f"There are {needed:,} bytes to come and {free:,} free on the disk of {folder}; "
            f"{KEPT_FREE_BYTES:,} of them are kept for history and logs."
        )


def reserve(fd: int, size: int) -> None:
    """Make a file so long, with its place on the disk taken where the system can do that.

    Raises:
        OSError: there is no room, or the file system takes no files of this size.
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
