"""The transfer of one file, in several parallel parts, with retries.

Owns which connection fetches which part, and the reaction when one breaks, stalls or expires. Knows nothing of the
download that it belongs to, or of the file's target.
"""

from __future__ import annotations

import time
from collections import deque

import anyio
import anyio.abc
import anyio.to_thread
import msgspec

from sidecar.contract.config import DownloadsConfig
from sidecar.contract.errors import ChecksumMismatch, DownloadFailed, SidecarError
from sidecar.jobs.progress import Progress
from sidecar.jobs.retry_budget import Expired, RetryBudget, TryAgain
from sidecar.library.downloads.answers import (
    GGUF_HEAD,
    Changed,
    ExpectedHead,
    OtherVersion,
    Remote,
    Source,
    Unsteady,
    identities_of,
    is_same,
)
from sidecar.library.downloads.blocks import Part
from sidecar.library.downloads.partial import Checker, PartialFile
from sidecar.library.downloads.web import BUFFER_BYTES, Web
from sidecar.storage.config import ConfigFile

MAX_EXPIRED = 3
"""How often in a row a new address is requested without a delay, if the ones before have returned no byte."""

MAX_RESTARTS = 5
"""How often a file without ranges is started over: each restart loses everything that was fetched."""

VERSION_TRIES = 8
"""How often a server is asked again that shows another version of a file without a known hash. Behind one name there
are mostly two to four servers: one in 256 times, all of these go to the other one of two."""

VERSION_PAUSE_SECONDS = 0.1
"""In between; the next connection goes to the next server."""

THROTTLED_STEPS = 4
"""Reads per second of a transfer with limited bandwidth, so that it flows steadily."""


class BandwidthLimit:
    """A limit of bytes per second that all connections share.

    It keeps the time at which the next byte is due; the reader of bytes waits until then.
    """

    def __init__(self) -> None:
        self._due = 0.0

    def delay(self, count: int, rate: int | None, now: float) -> float:
        """How many seconds to wait after so many bytes."""
        if rate is None:
            self._due = now
            return 0.0
        self._due = max(self._due, now) + count / rate
        return self._due - now


class TransferOptions(msgspec.Struct, frozen=True):
    """What all transfers share.

    Attributes:
        web: the connections.
        config: read at each use, since it may change during a transfer.
        bandwidth: the shared limit.
        disk: threads for the disk, so that a slow disk delays nothing else.
    """

    web: Web
    config: ConfigFile
    bandwidth: BandwidthLimit
    disk: anyio.CapacityLimiter

    @property
    def limits(self) -> DownloadsConfig:
        """The present settings of downloads."""
        return self.config.config.downloads


class _FromTheBeginning(Exception):
    """The received part is useless, since the server supports no ranges."""


class Transfer:
    """Fetches one file.

    Args:
        source: its permanent address.
        partial: the open partial file.
        progress: of the job; its present part is this file.
        name: for messages.
        sha256: the expected hash; `None` if it is not known.
        validator: the server's identifier of the content when the download began.
        modified: when the content was last modified, in the server's words of then.
        head: the expected first bytes.
        whole: whether the file is fetched in one piece, from one server, since its servers are `Unsteady`.
    """

    def __init__(
        self,
        options: TransferOptions,
        source: Source,
        partial: PartialFile,
        progress: Progress,
        *,
        name: str,
        sha256: str | None,
        validator: str | None,
        modified: str | None = None,
        head: ExpectedHead = GGUF_HEAD,
        whole: bool = False,
    ) -> None:
        self._options = options
        self._source = source
        self._name = name
        self._sha256 = sha256
        self._identities = identities_of(validator, modified)
        self._whole = whole
        self._head = head
        self._partial = partial
        self._progress = progress
        self._retries = RetryBudget(progress)
        self._remote: Remote | None = None
        self._finding = anyio.Lock()
        self._expired = 0
        self._parts: deque[Part] = deque()
        self._changed = anyio.Event()

    async def run(self) -> str:
        """Fetch the missing parts and check the whole file; returns its SHA-256.

        Raises:
            ChecksumMismatch: it is complete, and has another hash than expected.
            Changed: the server has another file now; the received part belongs to the old one.
            Unsteady: its servers disagree, so that it has to be fetched as a whole.
            SidecarError: it cannot be downloaded; the received part stays.
            OSError: the disk cannot be read or written.
        """
        checker = await self._fetch_and_check()
        found = checker.hexdigest()
        if self._sha256 not in (None, found):
            raise ChecksumMismatch(f"{self._name} has the hash {found} instead of {self._sha256}.")
        return found

    async def _fetch_and_check(self) -> Checker:
        for _ in range(MAX_RESTARTS):
            checker = Checker(self._partial, self._name, self._head)
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._check_along, checker)
                    await self._fetch_until_checked(checker)
                    tasks.cancel_scope.cancel()
            except BaseExceptionGroup as group:
                problem = _most_specific(group)
                if not isinstance(problem, _FromTheBeginning):
                    raise problem from None
            if checker.done:
                return checker
            await anyio.to_thread.run_sync(self._partial.clear, limiter=self._options.disk)
        raise DownloadFailed(
            f"The connection broke {MAX_RESTARTS} times, and the server sends {self._name} only from its beginning.",
            hint="Try again when the connection is better, or download the model from another server.",
        )

    async def _fetch_until_checked(self, checker: Checker) -> None:
        while not checker.done:
            complete = self._partial.blocks.complete
            self._progress.correct(self._partial.blocks.received, complete=complete)
            if complete:
                self._notify()
                await self._changed.wait()
            else:
                await self._fetch()

    async def _check_along(self, checker: Checker) -> None:
        while not checker.done:
            if not checker.ready:
                await self._changed.wait()
            else:
                await checker.advance(self._options.disk)
                self._progress.check(checker.position)
                self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    # --- fetching ----------------------------------------------------------------------------------------------

    async def _fetch(self) -> None:
        """Fetch the parts that are missing now."""
        remote = await self._found()
        if self._whole or not remote.ranges or self._partial.blocks.size is None:
            await self._fetch_whole()
            return
        connections = self._options.limits.connections
        self._parts = deque(self._partial.blocks.parts(connections))
        async with anyio.create_task_group() as workers:
            for _ in range(min(connections, len(self._parts))):
                workers.start_soon(self._work)

    async def _work(self) -> None:
        while self._parts:
            part = self._parts.popleft()
            others = _OtherVersions()
            while part.start < part.end:
                remote = await self._found()
                try:
                    async with self._options.web.part(remote, part.start, part.end) as content:
                        async for data in self._options.web.chunks(content, self._step):
                            await self._take(part.start, data[: part.end - part.start])
                            part.start += len(data)
                            others = _OtherVersions()
                            if part.start >= part.end:
                                break
                    if part.start < part.end:
                        raise TryAgain("The server ends the part too early.")
                except Expired as problem:
                    await self._find_again(remote, problem)
                except OtherVersion as problem:
                    await others.wait(problem)
                except TryAgain as problem:
                    await self._wait(problem)

    async def _fetch_whole(self) -> None:
        """Fetch a file from a server without ranges."""
        remote = await self._found()
        if self._partial.blocks.received:
            raise _FromTheBeginning
        position = 0
        try:
            async with self._options.web.part(remote, 0, None) as content:
                async for data in self._options.web.chunks(content, self._step):
                    await self._take(position, data)
                    position += len(data)
            if not position:
                raise DownloadFailed(f"The server sends an empty {self._name}.")
            if self._partial.blocks.size is None:
                await anyio.to_thread.run_sync(self._partial.end_at, position, limiter=self._options.disk)
        except Expired as problem:
            await self._find_again(remote, problem)
        except TryAgain as problem:
            await self._wait(problem)

    async def _take(self, offset: int, data: bytes) -> None:
        await anyio.to_thread.run_sync(self._partial.write, offset, data, limiter=self._options.disk)
        self._expired = 0
        self._retries.renew()
        self._progress.add(len(data))
        self._notify()
        delay = self._options.bandwidth.delay(len(data), self._options.limits.max_bytes_per_second, time.monotonic())
        if delay > 0:
            await anyio.sleep(delay)

    def _step(self) -> int:
        """The size of a read."""
        limit = self._options.limits.max_bytes_per_second
        return BUFFER_BYTES * 2 if limit is None else max(limit // THROTTLED_STEPS, 1024)

    async def _wait(self, problem: TryAgain) -> None:
        await self._retries.wait(problem, within=self._options.limits.retry_seconds)

    # --- the address -------------------------------------------------------------------------------------------

    async def _found(self) -> Remote:
        others = _OtherVersions()
        async with self._finding:
            while self._remote is None:
                try:
                    self._remote = self._checked(await self._options.web.find(self._source))
                except OtherVersion as problem:
                    await others.wait(problem)
                except TryAgain as problem:
                    await self._wait(problem)
            return self._remote

    async def _find_again(self, stale: Remote, problem: Expired) -> None:
        """Request a new address, once for all parts whose address has expired."""
        async with self._finding:
            if self._remote is not stale:
                return
            self._expired += 1
            if self._expired > MAX_EXPIRED:
                await self._wait(problem)
            self._remote = None

    def _checked(self, remote: Remote) -> Remote:
        """Check that the server still has the file with which the download began."""
        size = self._partial.blocks.size
        if remote.size != size:
            raise Changed
        if self._sha256 is None and remote.sha256 is not None:
            self._sha256 = remote.sha256  # the hub knows it by now: whatever the servers say, the hash decides
        if self._sha256 is None and not self._whole:
            if not is_same(self._identities, remote.identities):
                raise OtherVersion(remote.identities)
            self._identities |= remote.identities
        if None not in (self._sha256, remote.sha256) and self._sha256 != remote.sha256:
            raise DownloadFailed(f"The hub's {self._name} has changed since the download began.")
        return remote


class _OtherVersions:
    """The versions in a row that are not the one with which a download began."""

    def __init__(self) -> None:
        self._found: list[frozenset[str]] = []

    async def wait(self, problem: OtherVersion) -> None:
        """Wait for the next try.

        Raises:
            Changed: all servers have one other version.
            Unsteady: each has another one.
        """
        self._found.append(problem.identities)
        if len(self._found) >= VERSION_TRIES:
            raise Changed if len(set(self._found)) == 1 else Unsteady
        await anyio.sleep(VERSION_PAUSE_SECONDS)


def _most_specific(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to report, of several that occurred together."""
    flat = list(_leaves(group))
    known = [error for error in flat if isinstance(error, SidecarError | Changed | OSError)]
    return (known or flat)[0]


def _leaves(group: BaseException) -> list[BaseException]:
    if isinstance(group, BaseExceptionGroup):
        return [leaf for error in group.exceptions for leaf in _leaves(error)]
    return [group]
