"""How fast a download comes, and how long it will take.

Pure. Owns the smoothing. Knows nothing of clocks: the time is given.
"""

from __future__ import annotations

import math

SMOOTHING_SECONDS = 8.0
"""A change of speed shows to two thirds after that: networks stutter, and a time left that jumps is of no use."""

FIRST_FIGURE_SECONDS = 1.0
"""Before that there is no speed worth telling."""

SHORTEST_SECONDS = 1e-3
"""Between two readings: clocks of some systems stand still for as long."""


class Rate:
    """Bytes a second, smoothed.

    Args:
        now: seconds, of any clock that only goes forward.
    """

    def __init__(self, now: float) -> None:
        self._began = self._at = now
        self._mean = 0.0
        self._weight = 0.0

    def add(self, count: int, now: float) -> None:
        """So many bytes have come since the last time."""
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


class Throttle:
    """A bound on bytes a second that all connections share.

    It counts when the next byte is due; whoever took some waits until then.
    """

    def __init__(self) -> None:
        self._due = 0.0

    def delay(self, count: int, rate: int | None, now: float) -> float:
        """Seconds to wait after so many bytes."""
        if rate is None:
            self._due = now
            return 0.0
        self._due = max(self._due, now) + count / rate
        return self._due - now
