"""The download of a build's archive.

Owns where the partial file is kept: under its hash, so that the same request resumes it after any interruption. How a
file is downloaded, and from which addresses, is in `library.downloads`.
"""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.to_thread

from sidecar.builds.archive import ARCHIVE_HEAD
from sidecar.contract.builds import InstallDownloading, InstallVerifying
from sidecar.contract.errors import ArchiveInvalid, ChecksumMismatch, DownloadFailed
from sidecar.events.event_log import EventLog
from sidecar.host import disk_space
from sidecar.jobs.progress import Progress
from sidecar.library.downloads.answers import Changed, Source
from sidecar.library.downloads.lookup import find
from sidecar.library.downloads.partial import PartialFile
from sidecar.library.downloads.transfer import Transfer, TransferOptions

MAX_ARCHIVE_BYTES = 4 * 1024**3
"""The largest releases have half a gigabyte."""


async def fetch(url: str, sha256: str, folder: Path, options: TransferOptions, events: EventLog) -> PartialFile:
    """Download an archive into a folder; returns it complete, checked and closed.

    Raises:
        ChecksumMismatch: it is another file.
        ArchiveInvalid: it is not an archive.
        SidecarError: it cannot be downloaded; the partial file stays.
        OSError: it cannot be written.
    """
    source = Source(url)
    remote = await find(options.web, source)
    name = (remote.name or "the archive")[:200]
    if remote.size is None:
        raise DownloadFailed(
            f"The server does not report the size of {name}.", hint="Download it yourself, and give its path."
        )
    if remote.size > MAX_ARCHIVE_BYTES:
        raise ArchiveInvalid(f"{name} has {remote.size:,} bytes, more than any release.")
    partial = PartialFile(folder, sha256, remote.size)
    await anyio.to_thread.run_sync(_open, partial, folder, remote.size)
    progress = Progress([remote.size], done=[partial.blocks.received])
    transfer = Transfer(
        options,
        source,
        partial,
        progress,
        name=name,
        sha256=sha256,
        validator=remote.validator,
        head=ARCHIVE_HEAD,
    )
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_report, progress, remote.size, events)
            await transfer.run()
            tasks.cancel_scope.cancel()
    except ExceptionGroup as group:
        [problem] = group.exceptions  # the reports raise nothing
        if isinstance(problem, ChecksumMismatch | ArchiveInvalid | Changed):
            # The partial file is useless: the next attempt starts over.
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(partial.remove)
        if isinstance(problem, Changed):
            raise DownloadFailed(f"{name} was replaced by another file during the download.") from None
        raise problem from None
    finally:
        partial.close()
    events.append(InstallVerifying(done_bytes=remote.size, total_bytes=remote.size))
    return partial


def _open(partial: PartialFile, folder: Path, size: int) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not partial.data.exists():
        disk_space.check_room(folder, size)
    partial.open()


async def _report(progress: Progress, size: int, events: EventLog) -> None:
    while True:
        if progress.complete:
            event: InstallVerifying | InstallDownloading = InstallVerifying(
                done_bytes=progress.checked_bytes, total_bytes=size
            )
        else:
            event = InstallDownloading(
                received_bytes=progress.done_bytes,
                total_bytes=size,
                bytes_per_second=progress.bytes_per_second,
                eta_seconds=progress.eta_seconds,
                waiting=progress.waiting,
            )
        events.append(event)
        await progress.next_report()
