"""All downloads: whose turn it is, what a restart has left, and who is told.

Owns the list and its order. What is done for one of them is the job's. Most of the code of downloads is imported when
there is one: a start does without.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.abc
import anyio.to_thread

from sidecar.contract.config import DownloadsConfig
from sidecar.contract.downloads import Download, DownloadModelParams
from sidecar.contract.errors import DownloadNotFound, InvalidParams, NotSupported
from sidecar.host import path_policy
from sidecar.library.downloads.following import Following
from sidecar.library.downloads.states import OVER, may_become
from sidecar.library.hub.api import Hub
from sidecar.library.hub.token import TokenSource

if TYPE_CHECKING:
    from sidecar.library.downloads.addresses import Rules
    from sidecar.library.downloads.job import DownloadContext, Job
    from sidecar.library.downloads.record import DownloadRecord
    from sidecar.library.downloads.transfer import TransferOptions

logger = logging.getLogger(__name__)

MAX_ENDED = 50
"""Downloads that are told of after their end; the models of older ones are in the library anyway."""

DISK_THREADS = 12
"""For reading and writing: some for each connection of two downloads, and none that others wait for."""

Listener = Callable[[Download], None]


class Downloads:
    """The downloads.

    Args:
        models: the sidecar's own models folder.
        records: where is kept what survives a restart.
        config: asked each time.
        hub: the hub.
        tokens: the user's token for it.
    """

    def __init__(
        self, *, models: Path, records: Path, config: Callable[[], DownloadsConfig], hub: Hub, tokens: TokenSource
    ) -> None:
        self._models = models
        self._records = records
        self._config = config
        self._hub = hub
        self._tokens = tokens
        self._jobs: dict[str, Job] = {}
        self._listeners: list[Listener] = []
        self._tasks: anyio.abc.TaskGroup
        self._loading = anyio.Lock()
        self._loaded = False
        self._entering = anyio.Lock()
        self._stopping = False

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Let downloads go; on leaving they rest, and go on at the next start."""
        async with anyio.create_task_group() as self._tasks:
            try:
                yield
            finally:
                self._stopping = True
                with anyio.CancelScope(shield=True):
                    for job in list(self._jobs.values()):
                        if not job.at_rest:
                            await job.interrupt("stop")
                    if "_workshop" in self.__dict__:
                        await self._workshop.terms.web.close()
            self._tasks.cancel_scope.cancel()

    def begin(self) -> None:
        """A host is there: what a restart has interrupted may go on."""
        if not self._stopping:
            self._tasks.start_soon(self._go_on)

    # --- what hosts ask for ------------------------------------------------------------------------------------

    async def ask_for(self, params: DownloadModelParams) -> Job:
        """The download of a model, which is begun where there is none.

        Raises:
            InvalidParams: it is not said what, or in contradictory words.
            PathNotAllowed: the folder is none.
            StorageError, DiskFull, PermissionDenied: it can not be kept.
        """
        from sidecar.library.downloads.job import Job

        record = self._wanted(params)
        await self._load()
        async with self._entering:  # of two that ask for the same at once, one finds the other's
            for job in self._jobs.values():
                if job.state not in OVER and job.record.asked == record.asked:
                    if job.at_rest:
                        await self._set_going(job)
                    return job
            job = Job(record, self._workshop, self._changed)
            await job.keep_wish("go on")
            self._jobs[job.id] = job
        job.queue()
        self._schedule()
        return job

    async def listed(self) -> list[Download]:
        """All that are not over, and those that ended since the start."""
        await self._load()
        return [job.info() for job in self._jobs.values()]

    def load(self) -> None:
        """Look for those of before, and tell of them."""
        if not self._loaded and not self._stopping:
            self._tasks.start_soon(self._load)

    def infos(self) -> list[Download]:
        """The same, without looking for those of before."""
        return [job.info() for job in self._jobs.values()]

    async def pause(self, download_id: str) -> Download:
        """Let a download rest.

        Raises:
            DownloadNotFound: there is none of this id.
            NotSupported: it is over.
        """
        job = await self._named(download_id)
        if job.state in (*OVER, "failed"):
            raise NotSupported(f"The download is {job.state}; there is nothing to pause.")
        await self._pause(job)
        return job.info()

    async def resume(self, download_id: str) -> Download:
        """Let a download go on.

        Raises:
            DownloadNotFound: there is none of this id.
            NotSupported: it is over.
            StorageError, DiskFull, PermissionDenied: it can not be kept.
        """
        job = await self._named(download_id)
        if job.state in OVER:
            raise NotSupported(f"The download is {job.state}; call download_model for another one.")
        if job.at_rest:
            await self._set_going(job)
        return job.info()

    async def cancel(self, download_id: str) -> Download:
        """Give a download up.

        Raises:
            DownloadNotFound: there is none of this id.
        """
        job = await self._named(download_id)
        await job.interrupt("cancel")
        if job.state == "cancelled":
            await job.discard()
        self._schedule()
        return job.info()

    @property
    def terms(self) -> TransferOptions:
        """What all transfers share, for files that are no models, too."""
        return self._workshop.terms

    # --- telling -----------------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call it with each download that has changed; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @contextmanager
    def following(self, job: Job) -> Iterator[Following]:
        """The events of a download, for a request that waits for its end."""
        followed = Following()

        def show(info: Download) -> None:
            if info.download_id == job.id:
                followed.show(info)

        stop = self.listen(show)
        job.followers += 1
        followed.show(job.info())
        try:
            yield followed
        finally:
            job.followers -= 1
            stop()

    async def leave(self, job: Job) -> None:
        """A request no longer wants the download: it rests, unless others wait for it."""
        if not job.followers and not job.at_rest and not self._stopping:
            await self._pause(job)

    @cached_property
    def _workshop(self) -> DownloadContext:
        from sidecar.library.downloads.job import DownloadContext
        from sidecar.library.downloads.progress import Throttle
        from sidecar.library.downloads.record import Records
        from sidecar.library.downloads.transfer import TransferOptions
        from sidecar.library.downloads.web import Web

        return DownloadContext(
            hub=self._hub,
            records=Records(self._records),
            terms=TransferOptions(
                web=Web(self._rules, lambda: self._tokens.last),
                throttle=Throttle(),
                disk=anyio.CapacityLimiter(DISK_THREADS),
                connections=lambda: self._config().connections,
                max_bytes_per_second=lambda: self._config().max_bytes_per_second,
                retry_seconds=lambda: self._config().retry_seconds,
            ),
        )

    # --- turns -------------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        if self._stopping:
            return
        running = sum(job.running for job in self._jobs.values())
        for job in self._jobs.values():
            if running >= self._config().at_once:
                break
            if job.state == "queued" and not job.running:
                job.running = True
                running += 1
                self._tasks.start_soon(self._carry_out, job)

    async def _carry_out(self, job: Job) -> None:
        # Asked here, since a keyring may take its time: connections then take the token as it was found last.
        await anyio.to_thread.run_sync(self._tokens.token, abandon_on_cancel=True)
        try:
            if job.state == "queued":  # and not paused meanwhile
                await job.run()
        finally:
            job.running = False
            self._schedule()

    async def _pause(self, job: Job) -> None:
        await job.interrupt("pause")
        if job.state == "paused":
            await job.keep_wish("pause")
        self._schedule()

    async def _set_going(self, job: Job) -> None:
        await job.keep_wish("go on")
        if may_become(job.state, "queued"):  # and was not meanwhile by somebody else, or given up
            job.queue()
        self._schedule()

    async def _load(self) -> None:
        async with self._loading:
            if not self._loaded:
                jobs = await anyio.to_thread.run_sync(self._found)
                self._jobs = {**{job.id: job for job in jobs}, **self._jobs}
                self._loaded = True
                for job in jobs:
                    self._changed(job)

    def _found(self) -> list[Job]:
        if not self._records.is_dir():  # as it is with most
            return []
        from sidecar.library.downloads.job import Job

        found = []
        for record in self._workshop.records.load():
            try:
                found.append(Job.interrupted(record, self._workshop, self._changed))
            except Exception as error:  # noqa: BLE001 - one that can not be used must not hide the others
                logger.warning("a download of before can not go on: %s", error)
        return found

    async def _go_on(self) -> None:
        await self._load()
        if self._config().resume_at_start:
            for job in list(self._jobs.values()):
                if job.goes_on and job.at_rest:
                    job.queue()
            self._schedule()

    def _changed(self, job: Job) -> None:
        if job.finished:
            ended = [one for one in self._jobs.values() if one.finished]
            for one in ended[: max(len(ended) - MAX_ENDED, 0)]:
                del self._jobs[one.id]
        info = job.info()
        for listener in tuple(self._listeners):
            listener(info)

    # --- what is asked for -------------------------------------------------------------------------------------

    def _wanted(self, params: DownloadModelParams) -> DownloadRecord:
        from sidecar.library.downloads.record import DownloadRecord
        from sidecar.library.hub.reference import HubReference, parse, with_choice

        given = [text for text in (params.repo, params.url) if text is not None]
        if len(given) != 1:
            raise InvalidParams("Give either `repo` or `url`.", path="$.repo")
        reference = with_choice(
            parse(given[0], endpoint=self._hub.endpoint), file=params.file, revision=params.revision
        )
        root = self._models if params.target_dir is None else path_policy.absolute(params.target_dir)
        record = DownloadRecord(
            download_id=secrets.token_hex(8), created_at=time.time(), root=str(root), asked=f"{reference} into {root}"
        )
        if isinstance(reference, HubReference):
            record.repo, record.file, record.tag = reference.repo, reference.file, reference.tag
            record.revision = reference.revision
            record.sorted_in = params.target_dir is None
        elif params.repo is not None:
            raise InvalidParams("This is the address of a file; give it as `url`.", path="$.repo")
        else:
            record.url = reference.url
        return record

    async def _named(self, download_id: str) -> Job:
        await self._load()
        job = self._jobs.get(download_id)
        if job is None:
            raise DownloadNotFound(f"There is no download {download_id[:100]!r}.")
        return job

    def _rules(self) -> Rules:
        from yarl import URL

        from sidecar.library.downloads.addresses import Origin, Rules

        config = self._config()
        return Rules(hub=Origin.of(URL(self._hub.endpoint)), private=config.allow_private_addresses)
