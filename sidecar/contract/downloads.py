"""Downloads: models on their way to this machine."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

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

DownloadState = Literal["queued", "checking", "downloading", "verifying", "paused", "done", "failed", "cancelled"]

_DOWNLOAD_ID = Meta(min_length=1, max_length=100, description="As in list_downloads.")


class DownloadModelParams(Params, kw_only=True):
    """Fetch a model into the library; answered when it is whole, checked and in its place.

    Give `repo`, or `url`. A split model and its projector are one download. What has come survives everything: a
    download goes on where it was after a lost connection, a restart of the sidecar or the end of its host. Its files
    are nobody's model until the last of them is there and right.

    Asked for again, a download that is there already is followed, and one that has failed or was paused goes on.
    Cancelling the request pauses the download; cancel_download gives it up.
    """

    repo: Annotated[
        HubReferenceText | None,
        Meta(description="`owner/name`, also with a quantisation (`owner/name:Q4_K_M`), or the address of its page."),
    ] = None
    url: Annotated[
        Annotated[str, Meta(min_length=1, max_length=8192)] | None,
        Meta(description="The address of a repository's page, of a file in it, or https of any GGUF file."),
    ] = None
    file: Annotated[
        Annotated[str, Meta(min_length=1, max_length=1024)] | None,
        Meta(
            description="A file of the repository, or a quantisation such as Q5_K_M. Default: Q4_K_M, else the nearest."
        ),
    ] = None
    revision: Annotated[
        Annotated[str, Meta(min_length=1, max_length=200)] | None,
        Meta(description="Branch, tag or commit of the repository. Default: main, as it is at the start."),
    ] = None
    target_dir: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="Absolute path of a folder. Default: a folder of its own in the sidecar's models folder."),
    ] = None
    channel: Annotated[
        Annotated[str, Meta(min_length=1, max_length=200)] | None,
        Meta(description="Where to send its progress, four times a second at most."),
    ] = None


class DownloadFile(Result, kw_only=True):
    """A file of a download."""

    name: Annotated[str, Meta(description="In its folder.")]
    size_bytes: Annotated[int | None, Meta(description="Null where the server does not tell.")]
    received_bytes: int
    sha256: Annotated[
        str | None, Meta(description="What the hub says it must be, or what it turned out to be; in hexadecimal.")
    ]


class Download(Result, kw_only=True):
    """A download, at rest or under way."""

    download_id: str
    state: DownloadState
    repo: Annotated[str | None, Meta(description="On the hub.")]
    revision: Annotated[str | None, Meta(description="The commit, once it is known.")]
    url: Annotated[str | None, Meta(description="Of a file that is on no hub, without what follows a question mark.")]
    folder: Annotated[str, Meta(description="Where the files will be.")]
    files: Annotated[list[DownloadFile], Meta(description="Empty until the hub has been asked.")]
    received_bytes: Annotated[int, Meta(description="What is here already, kept over restarts.")]
    total_bytes: int | None
    bytes_per_second: Annotated[float | None, Meta(description="Smoothed over some seconds; null at rest.")]
    eta_seconds: float | None
    waiting: Annotated[
        str | None, Meta(description="Why nothing comes at the moment, in words, while it keeps trying.")
    ]
    verified_bytes: Annotated[int, Meta(description="How much of it has been read again for its hash.")]
    goes_on: Annotated[
        bool, Meta(description="Paused by a restart, and going on by itself once a host has introduced itself.")
    ]
    error: Annotated[WireError | None, Meta(description="Why it has failed; resume_download tries again.")]
    model_path: Annotated[str | None, Meta(description="The model's file, or the first of them; once it is done.")]
    created_at: float
    finished_at: float | None


class DownloadQueued(Event, tag="queued", kw_only=True):
    """It waits for others to end."""

    merge = PROGRESS

    download_id: str


class DownloadChecking(Event, tag="checking", kw_only=True):
    """The hub is asked what there is, and the disk whether there is room for it."""

    merge = PROGRESS

    download_id: str


class DownloadProgress(Event, tag="downloading", kw_only=True):
    """How far it is."""

    merge = PROGRESS

    download_id: str
    received_bytes: int
    total_bytes: int | None
    bytes_per_second: float | None
    eta_seconds: float | None
    waiting: str | None


class DownloadVerifying(Event, tag="verifying", kw_only=True):
    """All is here, and is read again for its hash as far as that has not been done on the way."""

    merge = PROGRESS

    download_id: str
    verified_bytes: int
    total_bytes: int | None


class DownloadPaused(Event, tag="paused", kw_only=True):
    """It rests until resume_download, and the channel stays open."""

    merge = PROGRESS

    download_id: str
    received_bytes: int
    total_bytes: int | None


class DownloadDone(Download, Event, tag="done"):
    """In its place; the members are the response's."""


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
    """Downloads that are not done, and those that ended since the sidecar started; the oldest first."""


class PauseDownloadParams(Params, kw_only=True):
    """Let a download rest; what has come is kept. Answered when nothing is fetched any more."""

    download_id: Annotated[str, _DOWNLOAD_ID]


class ResumeDownloadParams(Params, kw_only=True):
    """Let a download go on that was paused or has failed; answered at once."""

    download_id: Annotated[str, _DOWNLOAD_ID]


class CancelDownloadParams(Params, kw_only=True):
    """Give a download up: what has come of it is removed. What is done stays."""

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
