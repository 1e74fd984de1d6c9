"""Files replaced as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

WINDOWS_RETRY_SECONDS = 2.5
"""How long to retry a replace that Windows refuses because a scanner or editor has the file open."""


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file's content so that a crash or a full disk leaves the old content or the new, whole.

    Raises:
        OSError: it could not be written; the old content is still there.
    """
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _replace(source: Path, target: Path) -> None:
    deadline = time.monotonic() + WINDOWS_RETRY_SECONDS
    while True:
        try:
            source.replace(target)
        except PermissionError:
            if os.name != "nt" or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable; Windows has no such call and needs none."""
    if os.name != "nt":
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
