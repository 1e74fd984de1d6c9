"""One download: from a request to files in their place.

Owns the order of the steps, their events, and the record with which a restart resumes it. The job owns its state and
its interruption. Knows nothing of other downloads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import anyio
import anyio.to_thread
import msgspec

from sidecar.contract.downloads import Download
from sidecar.contract.errors import Cancelled, ChecksumMismatch, ModelInvalid, SidecarError
from sidecar.contract.topics import DownloadStateEvent
from sidecar.events.event_log import EventLog
from sidecar.events.live_feed import LiveFeed
from sidecar.host import disk_space
from sidecar.jobs.job import Interruption, Job, Phases
from sidecar.jobs.lane import Lane
from sidecar.jobs.progress import Progress
from sidecar.jobs.store import JobStore, OnRestart
from sidecar.library.downloads.answers import Changed, Source, Unsteady
from sidecar.library.downloads.files import DownloadPaths, DownloadRecord
from sidecar.library.downloads.lookup import resolve
from sidecar.library.downloads.reports import described, error_of, event_of
from sidecar.library.downloads.transfer import Transfer, TransferOptions
from sidecar.library.hub.api import Hub
from sidecar.library.hub.token import TokenSource
from sidecar.storage.atomic_files import refusal

logger = logging.getLogger(__name__)

PHASES: Phases = {
    None: ("checking",),
    "checking": ("downloading",),
    "downloading": ("verifying",),
    # Back for the next file, or for blocks that the disk has lost.
    "verifying": ("downloading",),
}
"""The steps of a running download, which are its states on the wire."""

T = TypeVar("T")


class DownloadContext(msgspec.Struct, frozen=True):
    """What all downloads share.

    Attributes:
        feeds: the subscriptions to all downloads.
    """

    hub: Hub
    tokens: TokenSource
    options: TransferOptions
    store: JobStore[DownloadRecord]
    feeds: list[LiveFeed]


class DownloadJob:
    """A download.

    Args:
        record: its stored record.
        restored: whether it is an idle one of an earlier sidecar; then the constructor blocks on the disk.
    """

    def __init__(self, record: DownloadRecord, context: DownloadContext, *, restored: bool = False) -> None:
        self.record = record
        self._context = context
        self._paths = DownloadPaths(record)
        self._missing: list[int] = []
        self.job = (Job.restored if restored else Job)(record, kind="download", phases=PHASES)
        if restored:
            self._start_progress(self._paths.received(range(len(record.files))))

    @property
    def id(self) -> str:
        """Its id."""
        return self.record.job_id

    @property
    def finished(self) -> bool:
        """Whether nothing of it is stored."""
        return self.job.ended or (self.job.state == "failed" and not self._received)

    @property
    def _received(self) -> bool:
        return any(self.job.progress.done)

    def info(self) -> Download:
        """The download as on the wire."""
        found = described(self.job, self._paths.folder)
        if self.record.repo is not None:
            found.warnings = self._context.hub.warnings()
        return found

    def publish(self) -> None:
        """Append an event of its state to the logs of its followers and to the feeds of all downloads."""
        if (event := event_of(self.info())) is not None:
            self.job.publish(event)
        for feed in self._context.feeds:
            self.publish_in(feed)

    def publish_in(self, feed: LiveFeed) -> None:
        """Show its state in one feed."""
        feed.put(DownloadStateEvent(download=self.info()))

    @contextmanager
    def followed_by(self, events: EventLog) -> Iterator[None]:
        """Append its events to a log, beginning with its present state."""
        with self.job.followed_by(events):
            if (event := event_of(self.info())) is not None:
                events.append(event)
            yield

    async def outcome(self) -> Download:
        """Wait for its end.

        Raises:
            SidecarError: it has failed.
            Cancelled: it was cancelled, or the sidecar is stopping.
        """
        await self.job.wait_until_ended()
        if self.job.state == "done":
            return self.info()
        if self.job.error is not None:
            raise self.job.error.with_traceback(None)
        if self.job.state == "cancelled":
            raise Cancelled("The download was cancelled.")
        raise Cancelled("The sidecar is stopping.", hint="The download resumes where it was at the next start.")

    async def interrupt(self, reason: Interruption) -> None:
        """Pause, cancel or stop it; returns when it is idle."""
        idle, before = not self.job.active, self.job.state
        await self.job.interrupt(reason)
        if idle and self.job.state != before:  # else `run` publishes it
            self.publish()

    async def store(self, on_restart: OnRestart) -> None:
        """Store its record, with what happens to it at the next start.

        Raises:
            SidecarError: the disk cannot be written.
        """
        self.record.on_restart, self.record.error = on_restart, None
        try:
            await self._in_thread(self._save)
        except OSError as error:
            raise refusal(error, "The download was not stored") from error

    async def discard(self) -> None:
        """Remove its partial files; errors are logged."""
        try:
            await self._in_thread(self._remove)
        except OSError as error:
            logger.warning("a download was not removed: %s", error.strerror)

    # --- the work ----------------------------------------------------------------------------------------------

    async def run(self, lane: Lane) -> None:
        """Wait for its turn and run it to its end, or until it is interrupted. Raises nothing."""
        with self.job.turn():
            try:
                async with lane.turn(self.job):
                    await self._run()
            except Exception as problem:  # noqa: BLE001 - a failure of one download must not end the others
                await self._fail(error_of(problem))
        self.publish()

    async def _run(self) -> None:
        self._enter("checking")
        # A keyring may be slow. The connections use the token that was found last.
        await anyio.to_thread.run_sync(self._context.tokens.token, abandon_on_cancel=True)
        await self._check()
        self._enter("downloading")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._report)
            for index in self._missing:
                await self._fetch(index)
            tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._in_thread(self._put_all)
            await self._in_thread(self._remove)
        # No cancellation can come in between: the model is in its place.
        self.job.finish()

    async def _check(self) -> None:
        """Find the files, and reserve the space for them."""
        record, context = self.record, self._context
        if not record.files:
            await resolve(record, hub=context.hub, web=context.options.web, progress=self.job.progress)
            await self._in_thread(self._save)
        # It only reads, and may take minutes, so it can be abandoned.
        self._missing = await anyio.to_thread.run_sync(
            self._paths.missing, limiter=context.options.disk, abandon_on_cancel=True
        )
        self._start_progress(await self._in_thread(lambda: self._paths.received(self._missing)))
        await self._in_thread(lambda: self._paths.reserve(self._missing))

    async def _fetch(self, index: int) -> None:
        file, progress = self.record.files[index], self.job.progress
        partial = self._paths.partial(index)
        await self._in_thread(partial.open)
        progress.part = index
        progress.correct(partial.blocks.received, complete=False)
        source = Source(file.url, self.record.repo)
        options = self._context.options
        try:
            transfer = Transfer(
                options,
                source,
                partial,
                progress,
                name=file.name,
                sha256=file.sha256,
                validator=file.validator,
                modified=file.modified or None,
                whole=file.whole is True,
            )
            file.sha256 = await transfer.run()
            file.size = progress.sizes[index] = partial.blocks.size
            await self._in_thread(self._save)
        except (ChecksumMismatch, ModelInvalid, Changed) as problem:
            # The partial file is useless: the next attempt starts over.
            with anyio.CancelScope(shield=True):
                await self._in_thread(partial.remove)
            progress.correct(0, complete=False)
            progress.check(0)
            if isinstance(problem, Unsteady):
                file.whole = True
                await self._in_thread(self._save)
                await self._fetch(index)
                return
            if file.validator is not None:
                self._forget_files()
            raise
        finally:
            partial.close()

    async def _report(self) -> None:
        while True:
            await self.job.progress.next_report()
            if None in self.job.progress.sizes:
                disk_space.check_room(self._paths.root, 0)
            phase = "verifying" if self.job.progress.complete else "downloading"
            if phase != self.job.phase:
                self.job.enter(phase)
            self.publish()

    async def _fail(self, problem: SidecarError) -> None:
        self.record.on_restart, self.record.error = OnRestart.FAIL, problem.to_wire()
        if not self._received:
            self._forget_files()  # the error may lie in the list of files
        with anyio.CancelScope(shield=True):
            try:
                await self._in_thread(self._save if self._received else self._remove)
            except OSError as error:  # the record from before stays, with which the next start tries again
                logger.warning("the failure of a download was not stored: %s", error.strerror)
        self.job.fail(problem)

    def _enter(self, phase: str) -> None:
        self.job.enter(phase)
        self.publish()

    def _start_progress(self, received: list[int]) -> None:
        self.job.progress = Progress([file.size for file in self.record.files], done=received)

    def _forget_files(self) -> None:
        """Make the next attempt find the files again."""
        self.record.files = []
        self._start_progress([])

    def _put_all(self) -> None:
        for index in reversed(self._missing):  # the model's first file last: without it no load can begin
            self._paths.put(index)

    def _save(self) -> None:
        self._context.store.save(self.record)

    def _remove(self) -> None:
        """Remove its record and its partial files; files that are in their place stay."""
        self._paths.clear()
        self._context.store.remove(self.record)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._context.options.disk)
