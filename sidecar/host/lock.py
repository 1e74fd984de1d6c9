"""One sidecar per data folder: an operating-system lock, held until the process ends, however it ends."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from sidecar.contract.errors import DataDirLocked, PermissionDenied
from sidecar.contract.remedies import Remedy
from sidecar.host import file_io

_HOLDER_BYTES = 512
"""Read of the lock file: a pid and an address on this machine are far shorter. Windows locks a byte behind them."""

logger = logging.getLogger(__name__)


class DataDirLock:
    """The lock on a data folder; the file also has the pid of its holder, and the address where it serves pages."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock, without waiting.

        Raises:
            DataDirLocked: another process holds it; `pid` is that process and `address` its page, where they are known.
            PermissionDenied: the lock file cannot be made, or not be locked on this file system.
        """
        try:
            fd = file_io.open_file(self._path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise self._refused(error) from error
        try:
            _lock(fd)
        except _LOCKED_BY_ANOTHER:
            pid, address = _holder(fd)
            os.close(fd)
            raise _locked(self._path.parent, pid, address) from None
        except OSError as error:
            os.close(fd)
            raise self._refused(error) from error
        self._fd = fd
        self._write(b"%d\n" % os.getpid())

    def note_address(self, address: str) -> None:
        """Add where the holder serves pages, for others that want the data folder. An address has no secret in it."""
        self._write(b"%d\n%b\n" % (os.getpid(), address.encode()))

    def _write(self, text: bytes) -> None:
        if self._fd is None:
            return
        try:
            os.ftruncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)
            os.write(self._fd, text)
        except OSError as error:  # a full disk: the lock holds all the same
            logger.warning("who we are cannot be written to the lock file: %s", error)

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


def _holder(fd: int) -> tuple[int | None, str | None]:
    """The pid and the address that the holder wrote there."""
    os.lseek(fd, 0, os.SEEK_SET)
    pid, _, rest = os.read(fd, _HOLDER_BYTES).partition(b"\n")
    address = rest.split(b"\n")[0].decode(errors="replace")
    is_page = address.startswith("http://") and address.isprintable()
    return int(pid) if pid.isdigit() else None, address if is_page else None


def _locked(folder: Path, pid: int | None, address: str | None) -> DataDirLocked:
    """What a person or a host can do about the sidecar that holds the lock: it cannot be joined from here, unless it
    serves pages."""
    who = f"Another llama-sidecar{f' (process {pid})' if pid else ''}"
    end = f"end process {pid}" if pid else "end the program that has started it"
    elsewhere = Remedy("restart_sidecar", {"options": ["--data-dir"]})
    if address is None:
        return DataDirLocked(
            f"{who} uses {folder}. It serves only the program that has started it.",
            hint=f"Close that program or {end}, then start this one again; or start this one with another --data-dir.",
            data_dir=str(folder),
            pid=pid,
        )
    return DataDirLocked(
        f"{who} uses {folder}. It serves pages at {address}.",
        hint=f"Use its page at {address}; or {end} and start this one again, or give this one another --data-dir.",
        remedies=(Remedy("open_page", {"address": address}), elsewhere),
        data_dir=str(folder),
        pid=pid,
        address=address,
    )


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
