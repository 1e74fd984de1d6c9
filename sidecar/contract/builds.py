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
    """Install a llama.cpp build from a release archive (.zip, .tar.gz or .tar.xz); answered when it has proved itself.

    Give `url`, or `path`. The archive is checked and unpacked beside the other builds, and has to generate one token
    with a tiny model that the sidecar makes for that; only then it is there. A build that can not is not kept, and the
    default stays. Cancelling leaves nothing but what has come of a download, with which the same request goes on.
    """

    url: Annotated[
        Annotated[str, Meta(min_length=1, max_length=8192)] | None,
        Meta(description="https address of the archive. `sha256` has to be given with it."),
    ] = None
    path: Annotated[
        Annotated[str, Meta(min_length=1)] | None, Meta(description="Absolute path of the archive on this machine.")
    ] = None
    sha256: Annotated[
        Annotated[str, Meta(pattern=r"^(sha256:)?[0-9a-fA-F]{64}$(?!\n)")] | None,
        Meta(description="What the archive must be, as GitHub shows it beside each file of a release."),
    ] = None
    name: Annotated[
        BuildName | None, Meta(description="What to call the build. Default: as the archive is called.")
    ] = None
    make_default: Annotated[
        bool | None, Meta(description="Whether starts take it where no engine is named. Default true.")
    ] = None
    channel: Annotated[Channel | None, CHANNEL] = None


class InstallQueued(Event, tag="queued"):
    """It waits for another installation to end."""

    merge = PROGRESS


class InstallDownloading(Event, tag="downloading", kw_only=True):
    """How far the archive is."""

    merge = PROGRESS

    received_bytes: int
    total_bytes: int | None
    bytes_per_second: float | None
    eta_seconds: float | None
    waiting: Annotated[str | None, Meta(description="Why nothing comes at the moment, while it keeps trying.")]


class InstallVerifying(Event, tag="verifying", kw_only=True):
    """All of the archive is here, and is read for its hash."""

    merge = PROGRESS

    done_bytes: int
    total_bytes: int


class InstallUnpacking(Event, tag="unpacking", kw_only=True):
    """The archive is being unpacked."""

    merge = PROGRESS

    progress: Annotated[float, Meta(description="0 to 1.")]


class InstallProving(Event, tag="proving"):
    """The build is to generate a token."""

    merge = PROGRESS


class InstallDone(EngineInfo, Event, tag="done"):
    """It is there; the members are the response's."""


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
    """Let starts that name no engine take another managed build, once it has generated a token, or none of them."""

    name: Annotated[BuildName | None, Meta(description="As in list_engines. Default: none.")] = None


class RemoveEngineParams(Params, kw_only=True):
    """Remove a managed build. Where it was the default, the last one that was good is it then."""

    name: Annotated[BuildName, _NAME]


class ManagedEngines(Result, kw_only=True):
    """The managed builds."""

    default: Annotated[str | None, Meta(description="The one that a start takes.")]
    engines: Annotated[list[EngineInfo], Meta(description="All of them, the default first, then the last good ones.")]


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
