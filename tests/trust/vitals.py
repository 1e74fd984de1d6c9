"""How much of the machine a process takes: memory, open files, threads.

Owns the measuring, and what a series of measurements says. Knows nothing of what the process does.
"""

from __future__ import annotations

import os
import statistics
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psutil

WATCH_SECONDS = 0.1
"""How often `PeakMemory` looks: a line of some MB is written in less, but not what it was made of."""

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Vitals:
    """One measurement of a process; memory in bytes."""

    memory: int
    files: int
    threads: int


def vitals(process: psutil.Process) -> Vitals:
    """Measure a process now."""
    with process.oneshot():
        return Vitals(
            memory=process.memory_info().rss,
            files=getattr(process, "num_fds" if os.name != "nt" else "num_handles")(),
            threads=process.num_threads(),
        )


class PeakMemory:
    """Watches a process's memory for as long as it is entered; `peak` in bytes."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.start = self.peak = self._process.memory_info().rss

    @property
    def growth_mib(self) -> float:
        """How much more than at the start it was at most."""
        return (self.peak - self.start) / MIB

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(WATCH_SECONDS):
            try:
                self.peak = max(self.peak, self._process.memory_info().rss)
            except psutil.NoSuchProcess:
                return


def growth(values: Sequence[float]) -> float:
    """How much a series grows, as a part: its last tenth against its second tenth, each by its median.

    The first tenth is the warm-up. A single high value does not count, a slow rise does.
    """
    tenth = len(values) // 10
    if tenth == 0:
        raise ValueError("too few values to tell whether they grow")
    early, late = statistics.median(values[tenth : 2 * tenth]), statistics.median(values[-tenth:])
    return late / early - 1


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values, 0 to 1, does not exceed."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]
