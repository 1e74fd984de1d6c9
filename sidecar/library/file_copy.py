"""Whole files, read, copied and moved: in pieces, with progress, and until somebody wants it stopped.

Knows nothing of models. Everything here blocks on the disk: callers use a worker thread, by `carried_through` where a
cancel is to stop it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from sidecar.contract.errors import Cancelled
from sidecar.host import file_io

T = TypeVar("T")

PIECE_BYTES = 8 * 1024 * 1024
"""Some milliseconds of a disk's work: a cancel does not wait longer, and larger ones are not faster."""


class Stopped(Exception):
    """Somebody wants it stopped; nothing of it is left."""


class Work:
    """The state of some work on whole files.

    Args:
        total_bytes: what there is to do.
        tell: called with the bytes done, after each piece.
        stop: set by whoever wants it stopped.
    """

    def __init__(self, total_bytes: int = 0, tell: Callable[[int, int], None] | None = None) -> None:
        self.stop = Event()
        self.total_bytes = total_bytes
        self._done_bytes = 0
        self._tell = tell

    def done(self, count: int) -> None:
        """So many bytes more are done.

        Raises:
            Stopped: no more is wanted.
        """
        if self.stop.is_set():
            raise Stopped
        self._done_bytes += count
        if self._tell is not None:
            self._tell(self._done_bytes, self.total_bytes)


async def carried_through(work: Work, run: Callable[[Work], T]) -> T:
    """What `run` returns, from a thread. A cancel is passed on to the work, and waits until that has ended.

    Raises:
        Cancelled: it was stopped.
    """

    async def stop_when_cancelled() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            work.stop.set()

    outcome: list[T] = []
    failure: Exception | None = None
    async with anyio.create_task_group() as watching:
        watching.start_soon(stop_when_cancelled)
        with anyio.CancelScope(shield=True):
            await anyio.lowlevel.checkpoint()  # let it begin to watch
            try:
                outcome.append(await anyio.to_thread.run_sync(run, work))
            except Exception as error:  # noqa: BLE001 - raised below, where no task group wraps it
                failure = error
        watching.cancel_scope.cancel()
    if isinstance(failure, Stopped):
        raise Cancelled("The work was cancelled; nothing of it is left.")
    if failure is not None:
        raise failure
    return outcome[0]


def content_hash(path: Path, work: Work) -> str:
    """The SHA-256 of a whole file. Raises OSError, Stopped."""
    digest = sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            work.done(len(piece))
    return digest.hexdigest()


def copy(source: Path, target: Path, work: Work) -> None:
    """Copy a file's content to a new file, until it is on the disk. Raises OSError, Stopped."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | file_io.NOFOLLOW | file_io.BINARY
    with source.open("rb", buffering=0) as read, os.fdopen(os.open(target, flags, 0o644), "wb", buffering=0) as write:
        while count := file_io.copy_piece(read.fileno(), write.fileno(), PIECE_BYTES):
            work.done(count)
        os.fsync(write.fileno())


def move(source: Path, target: Path) -> None:
    """Give a file, or a link, another name on its file system, where nothing may stand.

    Raises:
        FileExistsError: something stands there.
        OSError: it could not be done.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # no hard links here; then nobody may be faster than we look
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        source.rename(target)
    else:
        source.unlink()
