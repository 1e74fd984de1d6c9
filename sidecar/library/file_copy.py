"""Hashing, copying and moving of whole files, in pieces, with progress and cancellation.

Knows nothing of models. Everything here blocks on the disk: callers use a worker thread (`jobs.work`).
"""

from __future__ import annotations

import errno
import os
from hashlib import sha256
from pathlib import Path

from sidecar.host import file_io
from sidecar.jobs.work import Work

PIECE_BYTES = 8 * 1024 * 1024
"""Bytes per read or write: some milliseconds, for which a cancellation waits; larger pieces are not faster."""


def content_hash(path: Path, work: Work) -> str:
    """The SHA-256 of a whole file. Raises OSError, Stopped."""
    digest = sha256()
    with file_io.open_ordinary(path) as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            work.done(len(piece))
    return digest.hexdigest()


def copy(source: Path, target: Path, work: Work) -> None:
    """Copy a file's content to a new file, and sync it to the disk. Raises OSError, Stopped."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | file_io.NOFOLLOW | file_io.BINARY
    with file_io.open_ordinary(source) as read, os.fdopen(os.open(target, flags, 0o644), "wb", buffering=0) as write:
        while count := file_io.copy_piece(read.fileno(), write.fileno(), PIECE_BYTES):
            work.done(count)
        os.fsync(write.fileno())


def move(source: Path, target: Path) -> None:
    """Rename a file, or a link, on its file system, without overwriting anything.

    Raises:
        FileExistsError: the new name is taken.
        OSError: it cannot be renamed.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # no hard links here, which leaves a race between the check and the rename
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        source.rename(target)
    else:
        source.unlink()
