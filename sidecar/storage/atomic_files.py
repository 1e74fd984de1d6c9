"""Files that are replaced whole or not at all, and the error to report when the system refuses."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from sidecar.contract.errors import DiskFull, PermissionDenied, SidecarError, StorageError
from sidecar.host import file_io


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file's content so that a crash or a full disk leaves either the old or the new content, complete.

    Where the path is a link, its target is replaced.

    Raises:
        OSError: the file could not be written; the old content is still there.
    """
    import tempfile  # imports every compression module

    path = path.resolve()
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        put_in_place(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def put_in_place(temporary: Path, path: Path) -> None:
    """Sync a written file to disk and rename it to `path`, replacing what is there.

    Raises:
        OSError: the rename failed; the old file is still there.
    """
    with temporary.open("rb+") as file:  # Windows syncs only files that are open for writing
        os.fsync(file.fileno())
    file_io.replace(temporary, path)
    file_io.sync_folder(path.parent)


def put_where_nothing_is(temporary: Path, path: Path) -> None:
    """Sync a written file to disk and rename it to `path`, never replacing another file.

    Raises:
        FileExistsError: something of that name exists.
        OSError: the rename failed; the file has its old name.
    """
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: another program could be faster than this check
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        temporary.rename(path)
    else:
        temporary.unlink()
    file_io.sync_folder(path.parent)


def rename_synced(source: Path, target: Path) -> None:
    """Rename a folder to a free name, durably. Raises OSError; the folder then has its old name."""
    file_io.replace(source, target)
    file_io.sync_folder(target.parent)


def refusal(error: OSError, what: str) -> SidecarError:
    """The error to report about one of our files; `what` states the outcome, such as "The history was not changed"."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"The disk is full. {what}.")
    reason = error.strerror or str(error)
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return PermissionDenied(f"The system refuses access to the file: {reason}. {what}.")
    return StorageError(f"The file cannot be used: {reason}. {what}.")
