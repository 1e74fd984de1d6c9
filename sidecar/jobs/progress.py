"""How far a job is, how fast, how long it will take, and when that is worth a report.

Whoever does the work writes; whoever reports it waits for `next_report` and reads. Nobody is called. Owns the smoothing
of the speed and how often is reported. Knows nothing of events.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import anyio

REPORT_SECONDS = 0.25
"""Between two reports, four times a second at most (contract, DownloadModelParams)."""

SMOOTHING_SECONDS = 8.0
"""A change of speed shows to two thirds after that: networks stutter, and a time left that jumps is of no use."""

FIRST_FIGURE_SECONDS = 1.0
"""Before that no speed is reported: it would be of the first packets."""

SHORTEST_SECONDS = 1e-3
"""Between two readings: clocks of some systems stand still for as long."""


class Rate:
    """Bytes a second, smoothed. Pure: the time is given.

    Args:
        now: seconds, of any clock that only goes forward.
    """

    def __init__(self, now: float) -> None:
        self._began = self._at = now
        self._mean = 0.0
        self._weight = 0.0

    def add(self, count: int, now: float) -> None:
        """Count bytes since the last time."""
        passed = max(now - self._at, SHORTEST_SECONDS)
        kept = math.exp(-passed / SMOOTHING_SECONDS)
        self._mean = self._mean * kept + (count / passed) * (1 - kept)
        self._weight = self._weight * kept + (1 - kept)
        self._at = max(now, self._at)

    @property
    def per_second(self) -> float | None:
        """Bytes a second; `None` in the beginning."""
        if self._at - self._began < FIRST_FIGURE_SECONDS or not self._weight:
            return None
        return self._mean / self._weight

    def seconds_for(self, left: int | None) -> float | None:
        """How long so many bytes will take; `None` where that is not known."""
        speed = self.per_second
        return left / speed if left is not None and speed else None


class Progress:
    """How far a job is. The bytes are counted in parts, such as its files, which are worked on one after the other.

    Args:
        sizes: of the parts, in bytes; `None` where one is not known yet.
        done: of each part, what is there before any work.
        report_seconds: between two reports.

    Attributes:
        part: the index of the part that is worked on.
        checked: of each part, the bytes that were read again for their hash.
        complete: whether nothing of the part is missing, so that it is only checked.
        waiting: why nothing happens at the moment, for people.
    """

    def __init__(
        self,
        sizes: Sequence[int | None] = (),
        *,
        done: Sequence[int] | None = None,
        report_seconds: float = REPORT_SECONDS,
    ) -> None:
        self.sizes = list(sizes)
        self.done = [0] * len(self.sizes) if done is None else list(done)
        self.checked = [0] * len(self.sizes)
        self.part = 0
        self.complete = False
        self.waiting: str | None = None
        self._report_seconds = report_seconds
        self._rate = Rate(time.monotonic())
        self._moved = 0
        self._due = anyio.Event()

    # --- writing -----------------------------------------------------------------------------------------------

    def add(self, count: int) -> None:
        """Count bytes of the part that have just been done. May be called from the one thread that does the work."""
        self.done[self.part] += count
        self._moved += count

    def correct(self, done: int, *, complete: bool) -> None:
        """Set what is there of the part, such as after blocks were found damaged. A change of `complete` is due."""
        self.done[self.part] = done
        if self.complete != complete:
            self.complete = complete
            self._due.set()

    def check(self, position: int) -> None:
        """The part was read again up to this byte."""
        self.checked[self.part] = position

    def wait_for(self, reason: str | None) -> None:
        """Set why nothing happens, or `None` once something does. A new reason is due immediately."""
        if reason is not None and reason != self.waiting:
            self._due.set()
        self.waiting = reason

    # --- reading -----------------------------------------------------------------------------------------------

    async def next_report(self) -> None:
        """Wait until a report is due: after `report_seconds`, or as soon as something else than a number changes."""
        with anyio.move_on_after(self._report_seconds):
            await self._due.wait()
        self._due = anyio.Event()
        moved, self._moved = self._moved, 0
        self._rate.add(moved, time.monotonic())

    @property
    def done_bytes(self) -> int:
        """Of all parts."""
        return sum(self.done)

    @property
    def checked_bytes(self) -> int:
        """Of all parts, what was read again."""
        return sum(self.checked)

    @property
    def total_bytes(self) -> int | None:
        """Of all parts; `None` where one of them is not known."""
        known = [size for size in self.sizes if size is not None]
        return sum(known) if known and len(known) == len(self.sizes) else None

    @property
    def bytes_per_second(self) -> float | None:
        """Smoothed; `None` in the beginning."""
        return self._rate.per_second

    @property
    def eta_seconds(self) -> float | None:
        """Until all is done; `None` where that is not known."""
        total = self.total_bytes
        return self._rate.seconds_for(None if total is None else max(total - self.done_bytes, 0))
