"""The progress of a job: done bytes, speed, remaining time, and when a report is due.

The worker writes; the reporter waits for `next_report` and reads. There are no callbacks. Owns the smoothing of the
speed and the interval of reports. Knows nothing of events.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import anyio

REPORT_SECONDS = 0.25
"""Interval of reports: at most four a second (contract, DownloadModelParams)."""

SMOOTHING_SECONDS = 8.0
"""Time constant of the smoothing: network speeds fluctuate, and a remaining time that jumps is useless."""

FIRST_FIGURE_SECONDS = 1.0
"""No speed is reported before: it would be that of the first packets."""

MIN_SECONDS = 1e-3
"""The least time between two readings: the clocks of some systems have this resolution."""


class Rate:
    """Bytes per second, smoothed. Pure: the time is given.

    Args:
        now: seconds of a monotonic clock.
    """

    def __init__(self, now: float) -> None:
        self._began = self._at = now
        self._mean = 0.0
        self._weight = 0.0

    def add(self, count: int, now: float) -> None:
        """Count the bytes since the last call."""
        passed = max(now - self._at, MIN_SECONDS)
        kept = math.exp(-passed / SMOOTHING_SECONDS)
        self._mean = self._mean * kept + (count / passed) * (1 - kept)
        self._weight = self._weight * kept + (1 - kept)
        self._at = max(now, self._at)

    @property
    def per_second(self) -> float | None:
        """Bytes per second; `None` in the first FIRST_FIGURE_SECONDS."""
        if self._at - self._began < FIRST_FIGURE_SECONDS or not self._weight:
            return None
        return self._mean / self._weight

    def seconds_for(self, left: int | None) -> float | None:
        """How long so many bytes will take; `None` if it is not known."""
        speed = self.per_second
        return left / speed if left is not None and speed else None


class Progress:
    """The progress of a job. The bytes are counted in parts, such as its files, which are processed one by one.

    Args:
        sizes: sizes of the parts in bytes; `None` if one is not known yet.
        done: bytes of each part that exist before any work.
        report_seconds: interval of reports.

    Attributes:
        part: the index of the present part.
        checked: of each part, the bytes that were read again for the integrity check.
        complete: whether the part is complete, and is only being checked.
        waiting: why the work is waiting, as a message; `None` if it is not.
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
        """Count new bytes of the part. May be called from one worker thread."""
        self.done[self.part] += count
        self._moved += count

    def correct(self, done: int, *, complete: bool) -> None:
        """Set the bytes of the part, such as after blocks were found damaged. A change of `complete` makes a report
        due."""
        self.done[self.part] = done
        if self.complete != complete:
            self.complete = complete
            self._due.set()

    def check(self, position: int) -> None:
        """Set up to which byte the part was checked."""
        self.checked[self.part] = position

    def wait_for(self, reason: str | None) -> None:
        """Set why the work is waiting; `None` once it continues. A new reason makes a report due immediately."""
        if reason is not None and reason != self.waiting:
            self._due.set()
        self.waiting = reason

    # --- reading -----------------------------------------------------------------------------------------------

    async def next_report(self) -> None:
        """Wait until a report is due: after `report_seconds`, or as soon as anything but a number changes."""
        with anyio.move_on_after(self._report_seconds):
            await self._due.wait()
        self._due = anyio.Event()
        moved, self._moved = self._moved, 0
        self._rate.add(moved, time.monotonic())

    @property
    def done_bytes(self) -> int:
        """The done bytes of all parts."""
        return sum(self.done)

    @property
    def checked_bytes(self) -> int:
        """The checked bytes of all parts."""
        return sum(self.checked)

    @property
    def total_bytes(self) -> int | None:
        """The size of all parts; `None` if one of them is not known."""
        known = [size for size in self.sizes if size is not None]
        return sum(known) if known and len(known) == len(self.sizes) else None

    @property
    def bytes_per_second(self) -> float | None:
        """The smoothed speed; `None` in the first FIRST_FIGURE_SECONDS."""
        return self._rate.per_second

    @property
    def eta_seconds(self) -> float | None:
        """The remaining time; `None` if it is not known."""
        total = self.total_bytes
        return self._rate.seconds_for(None if total is None else max(total - self.done_bytes, 0))
