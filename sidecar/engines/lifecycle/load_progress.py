"""How a load gets on: what a host is told of it, and whether it still moves.

Owns the clocks of one load. The estimate is the rate so far; the signs are what any program shows that is not stuck.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio.to_thread

from sidecar.contract.servers import StartLoading, StartWarming
from sidecar.engines.lifecycle.engine_process import EngineProcess
from sidecar.engines.output.start_output import EngineOutput

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

ONLY_LINES = 5.0
"""How much longer a load is borne with that writes to its log and does nothing else that can be seen: by default that
is a quarter of an hour, far beyond what any step of an honest load takes without memory, disk or progress."""

DEFAULT_STAGE = "text_model"
"""What is loaded where the engine does not say: its model."""


class LoadStory:
    """One load as hosts are told of it: loading, further and further, then warming up, once.

    Args:
        clock: seconds; for the estimate and for SILENT_SECONDS.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._last: float | None = None
        self._said_silent = False
        self._warming = False

    def go_on(self, output: EngineOutput, *, at_end: bool = False) -> list[StartLoading | StartWarming]:
        """What is new; at the end of the load also what came too fast to be seen on the way."""
        if self._warming:
            return []
        if output.warming or output.ready:
            self._warming = True
            return [*self._complete(output), StartWarming()]
        if output.progress is not None:
            return self._further(output.progress.stage, output.progress.value)
        if not self._said_silent and (at_end or self._clock() - self._started >= SILENT_SECONDS):
            self._said_silent = True
            return [StartLoading(stage=DEFAULT_STAGE, progress=None)]
        return []

    def _complete(self, output: EngineOutput) -> list[StartLoading]:
        if output.progress is not None:
            return [] if self._last == 1 else [StartLoading(stage=output.progress.stage, progress=1.0)]
        return [] if self._said_silent else [StartLoading(stage=DEFAULT_STAGE, progress=None)]

    def _further(self, stage: str, progress: float) -> list[StartLoading | StartWarming]:
        if self._last is not None and progress - self._last < LEAST_STEP:
            return []
        self._last = progress
        event = StartLoading(stage=stage, progress=round(progress, 4))
        if progress >= LEAST_ETA_PROGRESS:
            event.eta_ms = round((self._clock() - self._started) * 1e3 * (1 - progress) / progress)
        return [event]


class SignsOfLife:
    """Whether a load gets on: it tells progress, or its memory or its reads grow; or at least it logs.

    A mapped model of 40 GB is read page by page without a word, for minutes on a slow disk. Lines of log, on the other
    hand, come just as well from an engine that tries the same thing for ever, so they alone do not count for long.

    Args:
        clock: seconds.
    """

    def __init__(self, process: EngineProcess, clock: Callable[[], float] = time.monotonic) -> None:
        self._process = process
        self._clock = clock
        self._lines = process.lines
        self._told = _told(process.output)
        self._bytes = 0
        self._looked_at = 0.0
        self._moved_at = self._logged_at = clock()

    async def missing(self, seconds: float) -> bool:
        """Whether there has been none for so long, or only lines of log for ONLY_LINES times as long."""
        moved = await self._has_moved()
        lines, self._lines = self._lines, self._process.lines
        now = self._clock()
        if moved:
            self._moved_at = now
        if self._lines != lines:
            self._logged_at = now
        silent, stuck = now - max(self._moved_at, self._logged_at), now - self._moved_at
        return silent > seconds or stuck > seconds * ONLY_LINES

    async def _has_moved(self) -> bool:
        told, self._told = self._told, max(self._told, _told(self._process.output))
        if self._told != told:
            return True
        if self._clock() - self._looked_at < LOOK_INTERVAL_SECONDS:
            return False
        self._looked_at = self._clock()
        before, self._bytes = self._bytes, await anyio.to_thread.run_sync(_bytes_moved, self._process.pid)
        return self._bytes - before > LEAST_GROWTH_BYTES


def _told(output: EngineOutput) -> tuple[bool, bool, float]:
    """How far a load says that it is; more is further."""
    return output.ready, output.warming, output.progress.value if output.progress else -1.0


def _bytes_moved(pid: int) -> int:
    """Resident memory plus bytes read so far; 0 for a process that is gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        read = process.io_counters() if hasattr(process, "io_counters") else None
        # On Linux `read_bytes` are those of the disk; what comes from the page cache is among the `read_chars` only.
        return int(process.memory_info().rss) + sum(int(getattr(read, n, 0)) for n in ("read_bytes", "read_chars"))
    except psutil.Error:
        return 0
