"""All downloads: their list, their order, their resumption after a restart, and their subscribers.

Owns the list and its order; `download` does the work of one. Most of the code of downloads is imported with the first
one, since start-up does not need it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.abc
import anyio.to_thread

from sidecar.contract.downloads import Download, DownloadModelParams
from sidecar.contract.errors import Cancelled, DownloadNotFound, NotSupported
from sidecar.contract.remedies import call
from sidecar.events.event_log import EventLog
from sidecar.events.live_feed import LiveFeed
from sidecar.jobs.lane import Lane
from sidecar.jobs.store import JobStore, OnRestart
from sidecar.library.hub.api import Hub
from sidecar.library.hub.token import TokenSource
from sidecar.storage.config import ConfigFile

if TYPE_CHECKING:
    from sidecar.library.downloads.download import DownloadContext, DownloadJob
    from sidecar.library.downloads.transfer import TransferOptions

logger = logging.getLogger(__name__)

MAX_FINISHED = 50
"""Finished downloads that stay in the list; the models of older ones are in the library."""

DISK_THREADS = 12
"""Threads for reading and writing: several for each connection of two downloads, and used for nothing else."""


class Downloads:
    """The downloads.

    Args:
        models: the sidecar's own models folder.
        records: the folder of the stored records.
        config: read at each use.
        tokens: the user's token for the hub.
    """

    def __init__(self, *, models: Path, records: Path, config: ConfigFile, hub: Hub, tokens: TokenSource) -> None:
        self._models = models
        self._records = records
        self._config = config
        self._hub = hub
        self._tokens = tokens
        self._downloads: dict[str, DownloadJob] = {}
        self._feeds: list[LiveFeed] = []
        self._lane = Lane(config.config.downloads.at_once)
        self._tasks: anyio.abc.TaskGroup
        self._loading = anyio.Lock()
        self._loaded = False
        self._adding = anyio.Lock()
        self._stopping = False

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run downloads; on exit they are stopped, to be resumed at the next start."""
        async with anyio.create_task_group() as self._tasks:
            try:
                yield
            finally:
                self._stopping = True
                with anyio.CancelScope(shield=True):
                    for download in list(self._downloads.values()):
                        await download.interrupt("stop")
                    if "_context" in self.__dict__:
                        await self._context.options.web.aclose()
            self._tasks.cancel_scope.cancel()

    async def resume_interrupted(self) -> None:
        """Queue the downloads again that the end of the sidecar has interrupted, if the config allows it."""
        await self._load()
        if self._config.config.downloads.resume_at_start:
            for download in list(self._downloads.values()):
                if download.job.resumes and not download.job.active and not self._stopping:
                    download.job.queue()
                    self._start(download)

    # --- methods -----------------------------------------------------------------------------------------------

    async def fetch(self, params: DownloadModelParams, events: EventLog) -> Download:
        """Download a model; returns when it is in its place. Its events go to `events`.

        Raises:
            Cancelled: the request or the download was cancelled, or the sidecar is stopping.
            SidecarError: it was refused, or has failed.
        """
        download = await self.add(params)
        try:
            with download.followed_by(events):
                return await download.outcome()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self._release(download)
            raise Cancelled(
                "The request was cancelled.", hint="The download can be resumed.", remedies=(call("resume_download"),)
            ) from None

    async def add(self, params: DownloadModelParams) -> DownloadJob:
        """The download of a model: an existing one for the same request, else a new one.

        Raises:
            InvalidParams: parameters are missing or contradict each other.
            PathNotAllowed: the folder's path is not absolute.
            StorageError, DiskFull, PermissionDenied: it cannot be stored.
            Cancelled: the sidecar is stopping.
        """
        from sidecar.library.downloads.download import DownloadJob
        from sidecar.library.downloads.lookup import requested

        record = requested(params, self._models, endpoint=self._hub.endpoint)
        await self._load()
        async with self._adding:  # of two simultaneous equal requests, the second finds the first's download
            for download in self._downloads.values():
                if not download.job.ended and download.record.request == record.request:
                    if not download.job.active:
                        await self._resume(download)
                    return download
            download = DownloadJob(record, self._context)
            await download.store(OnRestart.RESUME)
            self._downloads[download.id] = download
        self._start(download)
        return download

    async def listed(self) -> list[Download]:
        """All downloads that have not ended, and those that ended since the start; the oldest first."""
        await self._load()
        return [download.info() for download in self._downloads.values()]

    async def pause(self, download_id: str) -> Download:
        """Pause a download.

        Raises:
            DownloadNotFound: there is none of this id.
            NotSupported: it has ended.
        """
        download = await self._named(download_id)
        if download.job.ended or download.job.state == "failed":
            raise NotSupported(f"The download is {download.job.state}; there is nothing to pause.")
        await self._pause(download)
        return download.info()

    async def resume(self, download_id: str) -> Download:
        """Resume a download that is paused or has failed.

        Raises:
            DownloadNotFound: there is none of this id.
            NotSupported: it has ended.
            StorageError, DiskFull, PermissionDenied: it cannot be stored.
        """
        download = await self._named(download_id)
        if download.job.ended:
            raise NotSupported(f"The download is {download.job.state}; call download_model for another one.")
        if not download.job.active:
            await self._resume(download)
        return download.info()

    async def cancel(self, download_id: str) -> Download:
        """Cancel a download, and remove its partial files.

        Raises:
            DownloadNotFound: there is none of this id.
        """
        download = await self._named(download_id)
        await download.interrupt("cancel")
        if download.job.state == "cancelled":
            await download.discard()
        return download.info()

    @property
    def options(self) -> TransferOptions:
        """The options of all transfers, also of files that are not models."""
        return self._context.options

    # --- subscriptions -----------------------------------------------------------------------------------------

    def show_in(self, feed: LiveFeed) -> Callable[[], None]:
        """Show all downloads in a feed, now and after each change; returns a function that ends it.

        A change is put into the feed as soon as it happens, so that hosts receive it before the response.
        """
        self._feeds.append(feed)
        for download in self._downloads.values():
            download.publish_in(feed)
        if not self._loaded and not self._stopping:
            self._tasks.start_soon(self._load)
        return lambda: self._feeds.remove(feed)

    @cached_property
    def _context(self) -> DownloadContext:
        from sidecar.library.downloads.download import DownloadContext
        from sidecar.library.downloads.files import DownloadRecord
        from sidecar.library.downloads.transfer import BandwidthLimit, TransferOptions
        from sidecar.library.downloads.web import Web

        return DownloadContext(
            hub=self._hub,
            tokens=self._tokens,
            options=TransferOptions(
                web=Web(self._config, self._hub, self._tokens),
                config=self._config,
                bandwidth=BandwidthLimit(),
                disk=anyio.CapacityLimiter(DISK_THREADS),
            ),
            store=JobStore(self._records, DownloadRecord),
            feeds=self._feeds,
        )

    # --- turns -------------------------------------------------------------------------------------------------

    def _start(self, download: DownloadJob) -> None:
        """Start the task of a queued download, which waits for its turn."""
        if self._stopping:
            raise Cancelled("The sidecar is stopping.", hint="The download is resumed at the next start.")
        download.publish()
        self._lane.limit = self._config.config.downloads.at_once
        self._tasks.start_soon(self._run, download)

    async def _run(self, download: DownloadJob) -> None:
        await download.run(self._lane)
        self._lane.limit = self._config.config.downloads.at_once
        finished = [one.id for one in self._downloads.values() if one.finished]
        for download_id in finished[: max(len(finished) - MAX_FINISHED, 0)]:
            del self._downloads[download_id]

    async def _release(self, download: DownloadJob) -> None:
        """Pause a download whose request was cancelled, unless other requests follow it."""
        if not download.job.followed and download.job.active and not self._stopping:
            await self._pause(download)

    async def _pause(self, download: DownloadJob) -> None:
        await download.interrupt("pause")
        if download.job.state == "paused":
            await download.store(OnRestart.PAUSE)

    async def _resume(self, download: DownloadJob) -> None:
        await download.store(OnRestart.RESUME)
        if download.job.may_become("queued"):  # another request may have resumed or cancelled it
            download.job.queue()
            self._start(download)

    async def _load(self) -> None:
        async with self._loading:
            if not self._loaded:
                found = await anyio.to_thread.run_sync(self._stored)
                self._downloads = {**{one.id: one for one in found}, **self._downloads}
                self._loaded = True
                for download in found:
                    download.publish()

    def _stored(self) -> list[DownloadJob]:
        if not self._records.is_dir():  # the usual case
            return []
        from sidecar.library.downloads.download import DownloadJob

        found = []
        for record in self._context.store.load():
            try:
                found.append(DownloadJob(record, self._context, restored=True))
            except Exception as error:  # noqa: BLE001 - an unusable one must not hide the others
                logger.warning("a stored download cannot be resumed: %s", error)
        return found

    async def _named(self, download_id: str) -> DownloadJob:
        await self._load()
        download = self._downloads.get(download_id)
        if download is None:
            raise DownloadNotFound(f"There is no download {download_id[:100]!r}.")
        return download
