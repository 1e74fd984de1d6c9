"""Managed llama.cpp builds: installed from release archives, side by side, one of them the default."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from sidecar.contract.engines import BuildName, EngineInfo
from sidecar.contract.errors import (
    AddressNotAllowed,
    ArchiveInvalid,
    ChecksumMismatch,
    DiskFull,
    DownloadFailed,
    EngineInUse,
    EngineNotFound,
    EngineStartFailed,
    NotSupported,
    PathNotAllowed,
    PermissionDenied,
    StorageError,
)
from sidecar.contract.method import PROGRESS, CancelledEvent, ErrorEvent, Event, Method, Params, Result
from sidecar.contract.servers import CHANNEL, Channel

_NAME = Meta(description="As in list_engines.")


class InstallEngineParams(Params, kw_only=True):
    """Install a llama.cpp build from a release archive (.zip, .tar.gz or .tar.xz); answered once the build is proved.

    Give `url` or `path`. The archive is checked and unpacked beside the other builds. The build must generate one token
    with a tiny model that the sidecar creates for this; only then is it installed. A build that fails is removed, and
    the default does not change. Cancelling keeps only the downloaded part, from which the same request resumes.
    """

    url: Annotated[
        Annotated[str, Meta(min_length=1, max_length=8192)] | None,
        Meta(description="https address of the archive. Requires `sha256`."),
    ] = None
    path: Annotated[
        Annotated[str, Meta(min_length=1)] | None, Meta(description="Absolute path of the archive on this machine.")
    ] = None
    sha256: Annotated[
        Annotated[str, Meta(pattern=r"^(sha256:)?[0-9a-fA-F]{64}$(?!\n)")] | None,
        Meta(description="Expected SHA-256 of the archive, as GitHub shows it beside each file of a release."),
    ] = None
    name: Annotated[BuildName | None, Meta(description="Name of the build. Default: from the name of the archive.")] = (
        None
    )
    make_default: Annotated[
        bool | None, Meta(description="Whether starts that name no engine use it. Default true.")
    ] = None
    channel: Annotated[Channel | None, CHANNEL] = None


class InstallQueued(Event, tag="queued"):
    """The request waits for another installation to finish."""

    merge = PROGRESS


class InstallDownloading(Event, tag="downloading", kw_only=True):
    """Progress of the archive's download."""

    merge = PROGRESS

    received_bytes: int
    total_bytes: int | None
    bytes_per_second: float | None
    eta_seconds: float | None
    waiting: Annotated[str | None, Meta(description="Why no data arrives, while the download retries.")]


class InstallVerifying(Event, tag="verifying", kw_only=True):
    """The archive is complete, and its hash is being computed."""

    merge = PROGRESS

    done_bytes: int
    total_bytes: int


class InstallUnpacking(Event, tag="unpacking", kw_only=True):
    """The archive is being unpacked."""

    merge = PROGRESS

    progress: Annotated[float, Meta(description="0 to 1.")]


class InstallProving(Event, tag="proving"):
    """The build is being proved: it generates a token."""

    merge = PROGRESS


class InstallDone(EngineInfo, Event, tag="done"):
    """The build is installed; the members are the response's."""


INSTALL_EVENTS = (
    InstallQueued,
    InstallDownloading,
    InstallVerifying,
    InstallUnpacking,
    InstallProving,
    InstallDone,
    ErrorEvent,
    CancelledEvent,
)


class SetDefaultEngineParams(Params, kw_only=True):
    """Choose the managed build for starts that name no engine, once it is proved; or none."""

    name: Annotated[BuildName | None, Meta(description="As in list_engines. Default: none.")] = None


class RemoveEngineParams(Params, kw_only=True):
    """Remove a managed build. If it was the default, the last good build becomes the default."""

    name: Annotated[BuildName, _NAME]


class ManagedEngines(Result, kw_only=True):
    """The managed builds."""

    default: Annotated[str | None, Meta(description="The build that starts use.")]
    engines: Annotated[list[EngineInfo], Meta(description="All builds: the default first, then the last good ones.")]


_KEEPING_ERRORS = (DiskFull, PermissionDenied, StorageError)

METHODS = (
    Method(
        name="install_engine",
        params=InstallEngineParams,
        result=EngineInfo,
        errors=(
            AddressNotAllowed,
            ArchiveInvalid,
            ChecksumMismatch,
            DownloadFailed,
            EngineNotFound,
            EngineStartFailed,
            NotSupported,
            PathNotAllowed,
            *_KEEPING_ERRORS,
        ),
        events=INSTALL_EVENTS,
    ),
    Method(
        name="set_default_engine",
        params=SetDefaultEngineParams,
        result=ManagedEngines,
        errors=(EngineNotFound, EngineStartFailed, *_KEEPING_ERRORS),
    ),
    Method(
        name="remove_engine",
        params=RemoveEngineParams,
        result=ManagedEngines,
        errors=(EngineNotFound, EngineInUse, *_KEEPING_ERRORS),
    ),
)
