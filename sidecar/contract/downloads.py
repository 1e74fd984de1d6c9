"""Downloads of models."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from sidecar.contract.errors import (
    AddressNotAllowed,
    ChecksumMismatch,
    DiskFull,
    DownloadNotFound,
    ModelInvalid,
    NotSupported,
    PathNotAllowed,
    PermissionDenied,
    StorageError,
)
from sidecar.contract.hub import HUB_ERRORS, HubReferenceText
from sidecar.contract.method import PROGRESS, CancelledEvent, ErrorEvent, Event, Method, Params, Result, WireError
from sidecar.contract.warnings import ResultWarning

DownloadState = Literal["queued", "checking", "downloading", "verifying", "paused", "done", "failed", "cancelled"]

_DOWNLOAD_ID = Meta(min_length=1, max_length=100, description="As in list_downloads.")


class DownloadModelParams(Params, kw_only=True):
    """Download a model into the library; answered when the model is complete, verified and in place.

    Give `repo` or `url`. A split model and its projector are one download. Received data is kept: a download resumes
    where it stopped after a lost connection, a restart of the sidecar or the end of its host. The model is listed only
    when all of its files are complete and verified.

    A repeated request follows a running download, and resumes one that failed or was paused.
    Cancelling the request pauses the download; cancel_download discards it.
    """

    repo: Annotated[
        HubReferenceText | None,
        Meta(description="`owner/name`, or with a quantisation (`owner/name:Q4_K_M`), or the address of its page."),
    ] = None
    url: Annotated[
        Annotated[str, Meta(min_length=1, max_length=8192)] | None,
        Meta(description="Address of a repository's page or of a file in it, or the https address of any GGUF file."),
    ] = None
    file: Annotated[
        Annotated[str, Meta(min_length=1, max_length=1024)] | None,
        Meta(
            description="A file of the repository, or a quantisation such as Q5_K_M. Default: Q4_K_M, else the nearest."
        ),
    ] = None
    revision: Annotated[
        Annotated[str, Meta(min_length=1, max_length=200)] | None,
        Meta(description="Branch, tag or commit of the repository. Default: main, as of the start."),
    ] = None
    target_dir: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="Absolute path of a folder. Default: a new folder in the sidecar's models folder."),
    ] = None
    channel: Annotated[
        Annotated[str, Meta(min_length=1, max_length=200)] | None,
        Meta(description="Channel for its progress, at most four events a second."),
    ] = None


class DownloadFile(Result, kw_only=True):
    """A file of a download."""

    name: Annotated[str, Meta(description="Path in the download's folder.")]
    size_bytes: Annotated[int | None, Meta(description="Null if the server does not report it.")]
    received_bytes: int
    sha256: Annotated[
        str | None, Meta(description="Expected, as the hub reports it, else as computed; in hexadecimal.")
    ]


class Download(Result, kw_only=True):
    """A download, in whatever state."""

    download_id: str
    state: DownloadState
    repo: Annotated[str | None, Meta(description="The repository on the hub.")]
    revision: Annotated[str | None, Meta(description="The commit, once it is known.")]
    url: Annotated[str | None, Meta(description="Address of a file that is not on the hub, without its query.")]
    folder: Annotated[str, Meta(description="Destination folder of the files.")]
    files: Annotated[list[DownloadFile], Meta(description="Empty until the hub has answered.")]
    received_bytes: Annotated[int, Meta(description="Bytes received so far; they survive restarts.")]
    total_bytes: int | None
    bytes_per_second: Annotated[
        float | None, Meta(description="Smoothed over several seconds; null unless data is expected.")
    ]
    eta_seconds: float | None
    waiting: Annotated[str | None, Meta(description="Why no data arrives, in a sentence, while the download retries.")]
    verified_bytes: Annotated[int, Meta(description="Bytes read again to compute the hash.")]
    goes_on: Annotated[
        bool, Meta(description="Paused by a restart; it resumes automatically once a host has called initialize.")
    ]
    error: Annotated[WireError | None, Meta(description="Why it failed; resume_download retries.")]
    model_path: Annotated[str | None, Meta(description="The model's first or only file, once the download is done.")]
    created_at: float
    finished_at: float | None
    warnings: Annotated[
        list[ResultWarning], Meta(description="What was not honoured: a token that the hub refuses.")
    ] = field(default_factory=list)


class DownloadQueued(Event, tag="queued", kw_only=True):
    """The download waits for others to finish."""

    merge = PROGRESS

    download_id: str


class DownloadChecking(Event, tag="checking", kw_only=True):
    """The file list is being fetched from the hub, and the disk space checked."""

    merge = PROGRESS

    download_id: str


class DownloadProgress(Event, tag="downloading", kw_only=True):
    """Progress."""

    merge = PROGRESS

    download_id: str
    received_bytes: int
    total_bytes: int | None
    bytes_per_second: float | None
    eta_seconds: float | None
    waiting: str | None


class DownloadVerifying(Event, tag="verifying", kw_only=True):
    """All data has been received; hashes that were not computed on the way are being computed."""

    merge = PROGRESS

    download_id: str
    verified_bytes: int
    total_bytes: int | None


class DownloadPaused(Event, tag="paused", kw_only=True):
    """The download is paused until resume_download; the channel stays open."""

    merge = PROGRESS

    download_id: str
    received_bytes: int
    total_bytes: int | None


class DownloadDone(Download, Event, tag="done"):
    """The model is in place; the members are the response's."""


DOWNLOAD_EVENTS = (
    DownloadQueued,
    DownloadChecking,
    DownloadProgress,
    DownloadVerifying,
    DownloadPaused,
    DownloadDone,
    ErrorEvent,
    CancelledEvent,
)


class ListDownloadsParams(Params):
    """List downloads that are not done, and those that ended since the sidecar started; oldest first."""


class PauseDownloadParams(Params, kw_only=True):
    """Pause a download and keep the received data. Answered when the transfer has stopped."""

    download_id: Annotated[str, _DOWNLOAD_ID]


class ResumeDownloadParams(Params, kw_only=True):
    """Resume a download that was paused or failed; answered immediately."""

    download_id: Annotated[str, _DOWNLOAD_ID]


class CancelDownloadParams(Params, kw_only=True):
    """Cancel a download and delete the received data. A finished download is kept."""

    download_id: Annotated[str, _DOWNLOAD_ID]


METHODS = (
    Method(
        name="download_model",
        params=DownloadModelParams,
        result=Download,
        errors=(
            *HUB_ERRORS,
            AddressNotAllowed,
            ChecksumMismatch,
            DiskFull,
            ModelInvalid,
            PathNotAllowed,
            PermissionDenied,
            StorageError,
        ),
        events=DOWNLOAD_EVENTS,
    ),
    Method(name="list_downloads", params=ListDownloadsParams, result=list[Download]),
    Method(name="pause_download", params=PauseDownloadParams, result=Download, errors=(DownloadNotFound, NotSupported)),
    Method(
        name="resume_download", params=ResumeDownloadParams, result=Download, errors=(DownloadNotFound, NotSupported)
    ),
    Method(name="cancel_download", params=CancelDownloadParams, result=Download, errors=(DownloadNotFound,)),
)
