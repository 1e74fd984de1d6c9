"""How a load gets on: what a host is told of it, and whether it still moves.

Owns the clocks of one load. The estimate is the rate so far; the signs are what any program shows that is not stuck.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio.to_thread

from sidecar.contract.servers import StartLoading, StartWarming
from sidecar.engines.output import Output
from sidecar.engines.process import EngineProcess

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

    def go_on(self, output: Output, *, at_end: bool = False) -> list[StartLoading | StartWarming]:
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

    def _complete(self, output: Output) -> list[StartLoading]:
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
    """Whether a process that says nothing still does something: it logs, or its memory or its reads grow.

    A mapped model of 40 GB is read page by page without a word, for minutes on a slow disk.
    """

    def __init__(self, process: EngineProcess) -> None:
        self._process = process
        self._lines = process.lines
        self._bytes = 0
        self._looked_at = 0.0

    async def seen(self) -> bool:
        """Whether there was a sign since the last time."""
        lines, self._lines = self._lines, self._process.lines
        if self._lines != lines:
            return True
        if time.monotonic() - self._looked_at < LOOK_INTERVAL_SECONDS:
            return False
        self._looked_at = time.monotonic()
        before, self._bytes = self._bytes, await anyio.to_thread.run_sync(_bytes_moved, self._process.pid)
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
