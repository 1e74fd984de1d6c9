"""The archive of a build on its way here.

Owns where what has come of it waits: it is called by its hash, so that the same request goes on where it was, whatever
has ended it. How a file is fetched, and from which addresses, is `downloads`' business.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread

from sidecar.builds.archive import must_be_archive
from sidecar.contract.builds import InstallDownloading, InstallVerifying
from sidecar.contract.errors import ArchiveInvalid, ChecksumMismatch, DownloadFailed
from sidecar.host import disk_space
from sidecar.library.downloads.answers import Changed, Source
from sidecar.library.downloads.lookup import look_for
from sidecar.library.downloads.partial import PartialFile
from sidecar.library.downloads.progress import Rate
from sidecar.library.downloads.transfer import Listener, Transfer, TransferOptions

TELL_SECONDS = 0.25
"""Between two reports of how far it is."""

MAX_ARCHIVE_BYTES = 4 * 1024**3
"""The largest releases have half a gigabyte."""

Tell = Callable[[InstallDownloading | InstallVerifying], None]


async def fetch(url: str, sha256: str, folder: Path, terms: TransferOptions, tell: Tell) -> PartialFile:
    """Bring an archive into a folder; returns it whole and checked, and closed.

    Raises:
        ChecksumMismatch: it is another file.
        ArchiveInvalid: it is no archive.
        SidecarError: it can not be had; what has come stays.
        OSError: the disk refuses.
    """
    remote = await look_for(terms.web, Source(url))
    name = (remote.name or "the archive")[:200]
    if remote.size is None:
        raise DownloadFailed(f"The server does not say how large {name} is.", hint="Download it, and give its path.")
    if remote.size > MAX_ARCHIVE_BYTES:
        raise ArchiveInvalid(f"{name} has {remote.size:,} bytes, and no release has so many.")
    partial = PartialFile(folder, sha256, remote.size)
    report = _Report(partial, remote.size, tell)
    await anyio.to_thread.run_sync(_open, partial, folder, remote.size)
    report.received = partial.blocks.received
    listener = Listener(came=report.came, waiting=report.wait, checked=report.checked, all_here=lambda _: None)
    transfer = Transfer(
        terms,
        Source(url),
        partial,
        listener,
        name=name,
        sha256=sha256,
        validator=remote.validator,
        check_head=must_be_archive,
    )
    try:
        await transfer.run()
    except (ChecksumMismatch, ArchiveInvalid, Changed) as problem:
        # Of no use to anybody: the next try begins anew.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(partial.remove)
        if isinstance(problem, Changed):
            raise DownloadFailed(f"{name} has become another file while it was fetched.") from None
        raise
    finally:
        partial.close()
    return partial


def _open(partial: PartialFile, folder: Path, size: int) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not partial.data.exists():
        disk_space.check_room(folder, size)
    partial.open()


class _Report:
    """Tells how far it is, not too often."""

    def __init__(self, partial: PartialFile, size: int, tell: Tell) -> None:
        self.received = 0
        self._partial = partial
        self._size = size
        self._tell = tell
        self._rate = Rate(time.monotonic())
        self._new = 0
        self._told_at = -TELL_SECONDS

    def came(self, count: int) -> None:
        self.received += count
        self._new += count
        if self._is_time():
            self._tell_progress(None)

    def wait(self, reason: str | None) -> None:
        self._tell_progress(reason)

    def checked(self, position: int) -> None:
        if self._partial.blocks.complete and (position == self._size or self._is_time()):
            self._tell(InstallVerifying(done_bytes=position, total_bytes=self._size))

    def _is_time(self) -> bool:
        now = time.monotonic()
        if now < self._told_at + TELL_SECONDS:
            return False
        self._told_at = now
        return True

    def _tell_progress(self, waiting: str | None) -> None:
        self._rate.add(self._new, time.monotonic())
        self._new = 0
        received = min(self.received, self._size)
        self._tell(
            InstallDownloading(
                received_bytes=received,
                total_bytes=self._size,
                bytes_per_second=self._rate.per_second,
                eta_seconds=self._rate.seconds_for(self._size - received),
                waiting=waiting,
            )
        )
