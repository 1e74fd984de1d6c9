"""A download as hosts see it: its description, the event of its state, and the error of a failure.

Pure. Knows nothing of the receivers.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from sidecar.contract.downloads import (
    Download,
    DownloadChecking,
    DownloadDone,
    DownloadFile,
    DownloadPaused,
    DownloadProgress,
    DownloadQueued,
    DownloadState,
    DownloadVerifying,
)
from sidecar.contract.errors import DownloadFailed, SidecarError
from sidecar.contract.method import Event, WireError
from sidecar.jobs.job import Job
from sidecar.library.downloads.answers import Changed
from sidecar.library.downloads.files import DownloadRecord
from sidecar.logs.defects import internal_error
from sidecar.storage.atomic_files import refusal


def state_of(job: Job[DownloadRecord]) -> DownloadState:
    """The state on the wire: the job's state, or the step of a running job."""
    return job.phase or job.state  # type: ignore[return-value] # the phases and the idle states are DownloadState's


def described(job: Job[DownloadRecord], folder: Path) -> Download:
    """A download as on the wire; its files go to this folder."""
    record, progress = job.record, job.progress
    running = job.phase == "downloading"
    return Download(
        download_id=job.id,
        state=state_of(job),
        repo=record.repo,
        revision=record.commit or record.revision,
        url=None if record.url is None else record.url.partition("?")[0],
        folder=str(folder),
        files=[
            DownloadFile(name=file.name, size_bytes=file.size, received_bytes=received, sha256=file.sha256)
            for file, received in zip(record.files, progress.done, strict=False)
        ],
        received_bytes=progress.done_bytes,
        total_bytes=progress.total_bytes,
        bytes_per_second=progress.bytes_per_second if running else None,
        eta_seconds=progress.eta_seconds if running else None,
        waiting=progress.waiting,
        verified_bytes=progress.checked_bytes,
        goes_on=job.resumes,
        error=WireError.of(job.error) if job.error else None,
        model_path=str(folder / record.files[0].name) if job.state == "done" else None,
        created_at=record.created_at,
        finished_at=job.finished_at,
    )


def event_of(info: Download) -> Event | None:
    """The event of a state on a channel; `None` if it has failed or was cancelled, which the response reports."""
    match info.state:
        case "queued":
            return DownloadQueued(download_id=info.download_id)
        case "checking":
            return DownloadChecking(download_id=info.download_id)
        case "downloading":
            return DownloadProgress(
                download_id=info.download_id,
                received_bytes=info.received_bytes,
                total_bytes=info.total_bytes,
                bytes_per_second=info.bytes_per_second,
                eta_seconds=info.eta_seconds,
                waiting=info.waiting,
            )
        case "verifying":
            return DownloadVerifying(
                download_id=info.download_id, verified_bytes=info.verified_bytes, total_bytes=info.total_bytes
            )
        case "paused":
            return DownloadPaused(
                download_id=info.download_id, received_bytes=info.received_bytes, total_bytes=info.total_bytes
            )
        case "done":
            return DownloadDone(**msgspec.structs.asdict(info))
    return None


def error_of(problem: Exception) -> SidecarError:
    """The error on the wire for a failure."""
    while isinstance(problem, ExceptionGroup):
        problem = problem.exceptions[0]
    if isinstance(problem, SidecarError):
        return problem
    if isinstance(problem, Changed):
        return DownloadFailed(
            "The file on the server has changed since the download began.",
            hint="Download it again: it starts over.",
        )
    if isinstance(problem, OSError):
        return refusal(problem, "The download was not finished; the received part is kept")
    return internal_error(problem)
