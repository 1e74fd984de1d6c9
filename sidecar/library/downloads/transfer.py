"""The transfer of one file: several parts at once, for as long as it takes.

Owns who fetches what, and what is done when a connection breaks, stands still or leads nowhere any more. Knows nothing
of jobs, of where the file goes or what is told of it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import anyio
import anyio.abc
import anyio.to_thread
import msgspec

from sidecar.contract.errors import ChecksumMismatch, DownloadFailed, SidecarError
from sidecar.library.downloads.answers import Changed, Remote, Source
from sidecar.library.downloads.blocks import Part
from sidecar.library.downloads.checking import Checker, CheckHead, must_be_gguf
from sidecar.library.downloads.partial import PartialFile
from sidecar.library.downloads.progress import Throttle
from sidecar.library.downloads.retry_budget import Expired, RetryBudget, TryAgain
from sidecar.library.downloads.web import BUFFER_BYTES, Web

MAX_FOUND_ANEW = 3
"""How often in a row the place of a file is asked for at once, without a byte from there."""

MAX_BEGINNINGS = 5
"""Of a file that the server gives only whole: each costs all that has come."""

THROTTLED_STEPS = 4
"""Pieces a second of a transfer whose speed is bounded, so that it flows instead of jumping."""


class TransferOptions(msgspec.Struct, frozen=True):
    """What all transfers share, asked each time: the config may change.

    Attributes:
        web: the connections.
        throttle: the bound on all together.
        disk: threads for the disk; a slow one holds up nothing else.
        connections: parts at once.
        max_bytes_per_second: the bound.
        retry_seconds: how long to keep trying without a byte.
    """

    web: Web
    throttle: Throttle
    disk: anyio.CapacityLimiter
    connections: Callable[[], int]
    max_bytes_per_second: Callable[[], int | None]
    retry_seconds: Callable[[], float]


class Listener(msgspec.Struct, frozen=True):
    """Who is told how it goes.

    Attributes:
        came: so many bytes have come.
        waiting: why it waits; `None` when it goes on.
        checked: how much of the file was read again for its hash.
        all_here: whether nothing is missing.
    """

    came: Callable[[int], None]
    waiting: Callable[[str | None], None]
    checked: Callable[[int], None]
    all_here: Callable[[bool], None]


class _FromTheBeginning(Exception):
    """What has come is of no use: the server gives no parts."""


class Transfer:
    """Brings one file here.

    Args:
        source: where it is.
        name: for messages.
        sha256: what it must be; `None` where nobody says.
        validator: what the server knew the file by when it was begun.
        partial: open; where it goes.
        check_head: looks at how it begins.
    """

    def __init__(
        self,
        terms: TransferOptions,
        source: Source,
        partial: PartialFile,
        listener: Listener,
        *,
        name: str,
        sha256: str | None,
        validator: str | None,
        check_head: CheckHead = must_be_gguf,
    ) -> None:
        self._terms = terms
        self._source = source
        self._name = name
        self._sha256 = sha256
        self._validator = validator
        self._check_head = check_head
        self._partial = partial
        self._listener = listener
        self._patience = RetryBudget(terms.retry_seconds, listener.waiting)
        self._remote: Remote | None = None
        self._finding = anyio.Lock()
        self._found_anew = 0
        self._parts: deque[Part] = deque()
        self._news = anyio.Event()

    async def run(self) -> str:
        """Fetch what is missing and check all of it; returns its SHA-256.

        Raises:
            ChecksumMismatch: it is whole, and not what it must be.
            Changed: the server has another file now; what has come is of the old one.
            SidecarError: it can not be had; what has come stays.
            OSError: the disk refuses.
        """
        checker = await self._bring()
        found = checker.hexdigest()
        if self._sha256 not in (None, found):
            raise ChecksumMismatch(f"{self._name} has the hash {found} where {self._sha256} was expected.")
        return found

    async def _bring(self) -> Checker:
        for _ in range(MAX_BEGINNINGS):
            checker = Checker(self._partial, self._name, self._check_head)
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._check_along, checker)
                    await self._fetch_until_checked(checker)
                    tasks.cancel_scope.cancel()
            except BaseExceptionGroup as group:
                problem = _most_telling(group)
                if not isinstance(problem, _FromTheBeginning):
                    raise problem from None
            if checker.done:
                return checker
            await anyio.to_thread.run_sync(self._partial.clear, limiter=self._terms.disk)
        raise DownloadFailed(
            f"The connection broke {MAX_BEGINNINGS} times, and the server gives {self._name} only from its beginning.",
            hint="Try again when the connection is better, or take the model from another server.",
        )

    async def _fetch_until_checked(self, checker: Checker) -> None:
        while not checker.done:
            complete = self._partial.blocks.complete
            self._listener.all_here(complete)
            if complete:
                self._tell_news()
                await self._news.wait()
            else:
                await self._fetch()

    async def _check_along(self, checker: Checker) -> None:
        while not checker.done:
            if not checker.ready:
                await self._news.wait()
            else:
                await checker.advance(self._terms.disk)
                self._listener.checked(checker.position)
                self._tell_news()

    def _tell_news(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    # --- fetching ----------------------------------------------------------------------------------------------

    async def _fetch(self) -> None:
        """Fetch what is missing now."""
        remote = await self._found()
        if not remote.ranges or self._partial.blocks.size is None:
            await self._fetch_whole()
            return
        connections = self._terms.connections()
        self._parts = deque(self._partial.blocks.parts(connections))
        async with anyio.create_task_group() as workers:
            for _ in range(min(connections, len(self._parts))):
                workers.start_soon(self._work)

    async def _work(self) -> None:
        while self._parts:
            part = self._parts.popleft()
            while part.start < part.end:
                remote = await self._found()
                try:
                    async with self._terms.web.part(remote, part.start, part.end) as content:
                        async for data in self._terms.web.chunks(content, self._step):
                            await self._take(part.start, data[: part.end - part.start])
                            part.start += len(data)
                            if part.start >= part.end:
                                break
                    if part.start < part.end:
                        raise TryAgain("The server ends the part too early.")
                except Expired as problem:
                    await self._find_anew(remote, problem)
                except TryAgain as problem:
                    await self._patience.wait(problem)

    async def _fetch_whole(self) -> None:
        """Fetch a file of which no parts can be had."""
        remote = await self._found()
        if self._partial.blocks.received:
            raise _FromTheBeginning
        position = 0
        try:
            async with self._terms.web.part(remote, 0, None) as content:
                async for data in self._terms.web.chunks(content, self._step):
                    await self._take(position, data)
                    position += len(data)
            if not position:
                raise DownloadFailed(f"The server sends nothing as {self._name}.")
            if self._partial.blocks.size is None:
                await anyio.to_thread.run_sync(self._partial.end_at, position, limiter=self._terms.disk)
        except Expired as problem:
            await self._find_anew(remote, problem)
        except TryAgain as problem:
            await self._patience.wait(problem)

    async def _take(self, offset: int, data: bytes) -> None:
        await anyio.to_thread.run_sync(self._partial.write, offset, data, limiter=self._terms.disk)
        self._found_anew = 0
        self._patience.renew()
        self._listener.came(len(data))
        self._tell_news()
        delay = self._terms.throttle.delay(len(data), self._terms.max_bytes_per_second(), time.monotonic())
        if delay > 0:
            await anyio.sleep(delay)

    def _step(self) -> int:
        """Bytes to read at once."""
        bound = self._terms.max_bytes_per_second()
        return BUFFER_BYTES * 2 if bound is None else max(bound // THROTTLED_STEPS, 1024)

    # --- where it is -------------------------------------------------------------------------------------------

    async def _found(self) -> Remote:
        async with self._finding:
            while self._remote is None:
                try:
                    self._remote = self._checked(await self._terms.web.find(self._source))
                except TryAgain as problem:
                    await self._patience.wait(problem)
            return self._remote

    async def _find_anew(self, stale: Remote, problem: Expired) -> None:
        """Ask for another place, once for all parts that find theirs gone."""
        async with self._finding:
            if self._remote is not stale:
                return
            self._found_anew += 1
            if self._found_anew > MAX_FOUND_ANEW:
                await self._patience.wait(problem)
            self._remote = None

    def _checked(self, remote: Remote) -> Remote:
        """See that what is found is the file that was begun."""
        size = self._partial.blocks.size
        if remote.size != size or (self._sha256 is None and remote.validator != self._validator):
            raise Changed
        if None not in (self._sha256, remote.sha256) and self._sha256 != remote.sha256:
            raise DownloadFailed(f"The hub has another {self._name} now than when the download began.")
        return remote


def _most_telling(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that a host is told, of several that came together."""
    flat = list(_leaves(group))
    known = [error for error in flat if isinstance(error, SidecarError | Changed | OSError)]
    return (known or flat)[0]


def _leaves(group: BaseException) -> list[BaseException]:
    if isinstance(group, BaseExceptionGroup):
        return [leaf for error in group.exceptions for leaf in _leaves(error)]
    return [group]
