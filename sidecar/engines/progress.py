"""How a load gets on: whether it still moves, and how long it will take.

Owns the clocks of one load. The estimate is the rate so far; the signs are what any program shows that is not stuck.
"""

from __future__ import annotations

import time

import anyio.to_thread

from sidecar.logs.store import Source

LEAST_STEP = 0.01
"""Progress told to a host, in steps of one percent: a load says it hundreds of times."""

SILENT_SECONDS = 1.0
"""A load that has told no progress for so long is shown without one."""

LEAST_ETA_PROGRESS = 0.05
"""No estimate before so much is done: the first bytes say nothing about the rest."""

LOOK_INTERVAL_SECONDS = 2.0
"""How often the process itself is looked at; each look costs a few system calls."""

LEAST_GROWTH_BYTES = 1024 * 1024
"""Growth of memory or reads that counts as a sign: less is the noise of a process that waits."""


class LoadClock:
    """The pace of one load."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._last = -1.0
        self._said_silent = False

    def is_silent(self, *, now: bool = False) -> bool:
        """Whether the engine has told no progress for so long that it may never, or until `now`; true once."""
        if self._said_silent or not (now or time.monotonic() - self._started >= SILENT_SECONDS):
            return False
        self._said_silent = True
        return True

    def advance(self, progress: float) -> bool:
        """Whether a host should be told of this progress."""
        if progress < 1 and progress - self._last < LEAST_STEP:
            return False
        changed = progress != self._last
        self._last = progress
        return changed

    def eta_ms(self, progress: float) -> float | None:
        """Estimated milliseconds left; `None` while it is too early to say."""
        if progress < LEAST_ETA_PROGRESS:
            return None
        return round((time.monotonic() - self._started) * 1e3 * (1 - progress) / progress)


class SignsOfLife:
    """Whether a process that says nothing still does something: it logs, or its memory or its reads grow.

    A mapped model of 40 GB is read page by page without a word, for minutes on a slow disk.
    """

    def __init__(self, pid: int, source: Source) -> None:
        self._pid = pid
        self._source = source
        self._lines = source.taken_in
        self._bytes = 0
        self._looked_at = 0.0

    async def seen(self) -> bool:
        """Whether there was a sign since the last time."""
        lines, self._lines = self._lines, self._source.taken_in
        if self._lines != lines:
            return True
        if time.monotonic() - self._looked_at < LOOK_INTERVAL_SECONDS:
            return False
        self._looked_at = time.monotonic()
        before, self._bytes = self._bytes, await anyio.to_thread.run_sync(_bytes_moved, self._pid)
        return self._bytes - before > LEAST_GROWTH_BYTES


def _bytes_moved(pid: int) -> int:
    """Resident memory plus bytes read so far; 0 for a process that is gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        read = process.io_counters().read_bytes if hasattr(process, "io_counters") else 0
        return int(process.memory_info().rss) + int(read)
    except psutil.Error:
        return 0
