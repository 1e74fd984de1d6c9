"""One download, from the question what it is until its files are in their place.

Owns its state, which has this one writer. Knows nothing of other downloads or of when its turn comes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Literal, TypeVar

import anyio
import anyio.to_thread
import msgspec

from sidecar.contract.downloads import Download, DownloadFile, DownloadState
from sidecar.contract.errors import Cancelled, ChecksumMismatch, DownloadFailed, ModelInvalid, SidecarError, from_wire
from sidecar.contract.method import WireError
from sidecar.host import disk_space
from sidecar.library.downloads.answers import Changed, Source
from sidecar.library.downloads.lookup import look_up
from sidecar.library.downloads.paths import DownloadPaths
from sidecar.library.downloads.progress import Rate
from sidecar.library.downloads.record import DownloadRecord, Records
from sidecar.library.downloads.states import AT_REST, OVER, may_become
from sidecar.library.downloads.transfer import Listener, Transfer, TransferOptions
from sidecar.library.hub.api import Hub
from sidecar.logs.defects import internal_error
from sidecar.storage.atomic_files import refusal

logger = logging.getLogger(__name__)

TELL_SECONDS = 0.25
"""Between two reports of how far it is."""

T = TypeVar("T")

Wish = Literal["pause", "cancel", "stop"]
"""Why a download is interrupted; "stop" is the end of the sidecar."""


class DownloadContext(msgspec.Struct, frozen=True):
    """What all downloads work with."""

    hub: Hub
    terms: TransferOptions
    records: Records


class Job:
    """A download.

    Args:
        on_change: called whenever it is to be told anew.

    Attributes:
        state: where it is.
        followers: how many requests wait for its end.
        running: whether it has its turn.
    """

    def __init__(self, record: DownloadRecord, workshop: DownloadContext, on_change: Callable[[Job], None]) -> None:
        self.record = record
        self.state: DownloadState = "queued"
        self.followers = 0
        self.running = False
        self._workshop = workshop
        self._on_change = on_change
        self._place = DownloadPaths(record)
        self._received: list[int] = []
        self._verified: list[int] = []
        self._missing: list[int] = []
        self._came = 0
        self._rate: Rate | None = None
        self._waiting: str | None = None
        self._error: SidecarError | None = None
        self._finished_at: float | None = None
        self._goes_on = False
        self._wish: Wish | None = None
        self._scope: anyio.CancelScope | None = None
        self._rested = anyio.Event()
        self._ended = anyio.Event()

    @classmethod
    def interrupted(cls, record: DownloadRecord, workshop: DownloadContext, on_change: Callable[[Job], None]) -> Job:
        """A download of before, at rest. Blocks on the disk."""
        job = cls(record, workshop, on_change)
        job.state = "failed" if record.wanted == "fail" else "paused"
        job._goes_on = record.wanted == "go on"
        if record.problem is not None:
            job._error = from_wire(record.problem)
        job._received = job._place.look(range(len(record.files)))
        job._verified = [0] * len(record.files)
        return job

    @property
    def id(self) -> str:
        """Its id."""
        return self.record.download_id

    @property
    def at_rest(self) -> bool:
        """Whether nothing is done for it."""
        return self.state in AT_REST

    @property
    def goes_on(self) -> bool:
        """Whether a restart, and nobody else, has interrupted it."""
        return self._goes_on

    @property
    def finished(self) -> bool:
        """Whether nothing of it is kept any more."""
        return self.state in OVER or (self.state == "failed" and not self.has_something)

    @property
    def has_something(self) -> bool:
        """Whether anything has come of it."""
        return any(self._received)

    def info(self) -> Download:
        """What a host is told of it."""
        record, sizes = self.record, [file.size for file in self.record.files]
        received = sum(self._received)
        total = sum(size for size in sizes if size is not None) if sizes and None not in sizes else None
        rate = self._rate if self.state == "downloading" else None
        done = self.state == "done"
        return Download(
            download_id=self.id,
            state=self.state,
            repo=record.repo,
            revision=record.commit or record.revision,
            url=None if record.url is None else record.url.partition("?")[0],
            folder=str(self._place.folder),
            files=[
                DownloadFile(name=file.name, size_bytes=file.size, received_bytes=came, sha256=file.sha256)
                for file, came in zip(record.files, self._received, strict=False)
            ],
            received_bytes=received,
            total_bytes=total,
            bytes_per_second=rate.per_second if rate else None,
            eta_seconds=rate.seconds_for(None if total is None else total - received) if rate else None,
            waiting=None if self.at_rest else self._waiting,
            verified_bytes=sum(self._verified),
            goes_on=self._goes_on,
            error=WireError.of(self._error) if self._error else None,
            model_path=str(self._place.folder / record.files[0].name) if done else None,
            created_at=record.created_at,
            finished_at=self._finished_at,
        )

    async def outcome(self) -> Download:
        """Wait for its end.

        Raises:
            SidecarError: it has failed.
            Cancelled: it was given up, or the sidecar stops.
        """
        while not self._ended.is_set():
            await self._ended.wait()
        if self.state == "done":
            return self.info()
        if self._error is not None:
            raise self._error.with_traceback(None)
        if self.state == "cancelled":
            raise Cancelled("The download was given up.")
        raise Cancelled("The sidecar is stopping.", hint="The download goes on where it was at the next start.")

    # --- what is wished ----------------------------------------------------------------------------------------

    def queue(self) -> None:
        """Let it wait for its turn."""
        if self.state != "queued":
            self._become("queued")
        self._wish = self._error = self._finished_at = None
        self._goes_on = False
        if self._ended.is_set():
            self._ended = anyio.Event()
        self._on_change(self)

    async def interrupt(self, wish: Wish) -> None:
        """Let it rest, in the state that is wished; returns when nothing is done for it any more."""
        self._wish = wish
        if wish == "pause":
            self._goes_on = False
        if self._scope is not None:
            self._scope.cancel()
            await self._rested.wait()
        elif not self.at_rest or (wish == "cancel" and self.state not in OVER):
            self._rest()

    # --- the work ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Bring it to its end, or to rest. Raises nothing."""
        self._rested = anyio.Event()
        with anyio.CancelScope() as self._scope:
            await self._work()
        self._scope = None
        if self._wish is not None and self.state not in ("done", "failed"):
            self._rest()
        self._rested.set()

    async def _work(self) -> None:
        try:
            self._become("checking")
            await self._check()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._tell_progress)
                await self._bring_all()
                tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await self._in_thread(self._put_all)
                await self._in_thread(self._forget)
            # No cancel gets in between: the model is in its place.
            self._finished_at = time.time()
            self._become("done")
            self._ended.set()
        except Exception as problem:  # noqa: BLE001 - what fails in one download must not take the others along
            await self._fail(_told(problem))

    async def _check(self) -> None:
        """Know the files, and have the room for them."""
        record, shop = self.record, self._workshop
        if not record.files:
            await look_up(record, hub=shop.hub, web=shop.terms.web)
            await self._keep()
            self._received = [0] * len(record.files)
        self._verified = [0] * len(record.files)
        # It only reads, and may take minutes.
        self._missing = await anyio.to_thread.run_sync(
            self._place.missing, limiter=self._workshop.terms.disk, abandon_on_cancel=True
        )
        self._received = await self._in_thread(lambda: self._place.look(self._missing))
        await self._in_thread(lambda: self._place.reserve(self._missing))

    async def _bring_all(self) -> None:
        self._rate = Rate(time.monotonic())
        self._become("downloading")
        for index in self._missing:
            await self._bring(index)

    def _put_all(self) -> None:
        for index in reversed(self._missing):  # the model's first file last: nothing begins with the others
            self._place.put(index)

    async def _bring(self, index: int) -> None:
        file = self.record.files[index]
        partial = self._place.partial(index)
        await self._in_thread(partial.open)

        def came(count: int) -> None:
            self._received[index] += count
            self._came += count

        def checked(position: int) -> None:
            self._verified[index] = position

        def all_here(complete: bool) -> None:
            self._received[index] = partial.blocks.received
            wanted: DownloadState = "verifying" if complete else "downloading"
            if self.state != wanted:
                self._become(wanted)

        listener = Listener(came=came, waiting=self._wait_for, checked=checked, all_here=all_here)
        source = Source(file.url, self.record.repo)
        terms = self._workshop.terms
        self._received[index] = partial.blocks.received
        try:
            file.sha256 = await Transfer(
                terms, source, partial, listener, name=file.name, sha256=file.sha256, validator=file.validator
            ).run()
            file.size = partial.blocks.size
            await self._keep()
        except (ChecksumMismatch, ModelInvalid, Changed):
            # Of no use to anybody: the next try begins anew.
            with anyio.CancelScope(shield=True):
                await self._in_thread(partial.remove)
            self._received[index] = self._verified[index] = 0
            if file.validator is not None:
                self._find_anew()
            raise
        finally:
            partial.close()

    async def _tell_progress(self) -> None:
        while True:
            await anyio.sleep(TELL_SECONDS)
            if self._rate is not None:
                count, self._came = self._came, 0
                self._rate.add(count, time.monotonic())
            if None in [file.size for file in self.record.files]:
                disk_space.check_room(self._place.root, 0)
            self._on_change(self)

    def _find_anew(self) -> None:
        """Let the next try ask what there is."""
        self.record.files, self._received, self._verified = [], [], []

    def _wait_for(self, reason: str | None) -> None:
        self._waiting = reason

    # --- states ------------------------------------------------------------------------------------------------

    def _become(self, state: DownloadState) -> None:
        if not may_become(self.state, state):
            raise ValueError(f"a download can not become {state} when it is {self.state}")
        self.state = state
        self._on_change(self)

    def _rest(self) -> None:
        """Come to rest as it was wished."""
        self._waiting = None
        if self._wish == "cancel":
            self._finished_at = time.time()
            self._become("cancelled")
            self._ended.set()
        else:
            self._goes_on = self._wish == "stop"
            self._become("paused")
            if self._wish == "stop":
                self._ended.set()

    async def _fail(self, problem: SidecarError) -> None:
        self._error, self._waiting = problem, None
        self._finished_at = time.time()
        self.record.wanted, self.record.problem = "fail", problem.to_wire()
        if not self.has_something:
            self._find_anew()  # what is wrong may be in what was found
        with anyio.CancelScope(shield=True):
            try:
                await self._in_thread(self._keep_now if self.has_something else self._forget)
            except OSError as error:  # of the same disk, likely; what was kept before makes the next start try again
                logger.warning("that a download has failed was not kept: %s", error.strerror)
        self._become("failed")
        self._ended.set()

    async def keep_wish(self, wanted: Literal["go on", "pause"]) -> None:
        """Write down what is to become of it, and what is known of it.

        Raises:
            SidecarError: the disk refuses.
        """
        self.record.wanted, self.record.problem = wanted, None
        try:
            await self._keep()
        except OSError as error:
            raise refusal(error, "The download was not kept") from error

    async def discard(self) -> None:
        """Remove what has come of it; what can not be removed stays."""
        try:
            await self._in_thread(self._forget)
        except OSError as error:
            logger.warning("a download was not removed: %s", error.strerror)

    async def _keep(self) -> None:
        await self._in_thread(self._keep_now)

    def _keep_now(self) -> None:
        self._workshop.records.keep(self.record)

    def _forget(self) -> None:
        """Remove what is kept of it, but for what is in its place."""
        self._place.clear()
        self._workshop.records.forget(self.record)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._workshop.terms.disk)


def _told(problem: Exception) -> SidecarError:
    """What a host is told of a failure."""
    while isinstance(problem, ExceptionGroup):
        problem = problem.exceptions[0]
    if isinstance(problem, SidecarError):
        return problem
    if isinstance(problem, Changed):
        return DownloadFailed(
            "The file on the server is another one than when the download began.",
            hint="Download it again: it begins anew.",
        )
    if isinstance(problem, OSError):
        return refusal(problem, "The download was not finished; what has come is kept")
    return internal_error(problem)
