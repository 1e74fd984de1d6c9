"""Whether a process that has ended by itself is started again, and after which pause.

Pure: knows no clock and no process, only how long each one was ready. Callers decide which ends justify a restart.
"""

from __future__ import annotations

from collections import deque

MOST_STARTS = 5
"""Starts within WINDOW_SECONDS, the first one included. A process that needs more is broken, and each load of a large
model keeps the whole machine busy."""

WINDOW_SECONDS = 180.0
"""What counts as one crash after the other, in seconds of being ready: the time of loads would hide a crash loop behind
a large model, which takes a minute to load before it crashes each time."""

PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each restart in a row. The first crash is usually the only one, so that restart is immediate; later
ones leave the machine time to recover. The longest pause is still short compared with the load of a large model."""


class RestartPolicy:
    """The restarts of one process.

    Args:
        most: restarts within WINDOW_SECONDS of being ready; 0 for none.

    Attributes:
        count: how many there have been.
    """

    def __init__(self, most: int) -> None:
        self.count = 0
        self._most = most
        self._ready_seconds: deque[float] = deque(maxlen=MOST_STARTS)

    def pause_after(self, ready_seconds: float, *, retryable: bool) -> float | None:
        """Seconds until the restart after an end; `None` for no restart.

        Args:
            ready_seconds: how long it was ready; 0 if it never was.
            retryable: whether another start may succeed.
        """
        self._ready_seconds.append(ready_seconds)
        starts = self._recent_starts()
        # Each crash in a row but this one was followed by a restart. The start before the row is not part of it; its
        # crash is.
        restarts = starts - 1 if starts == len(self._ready_seconds) else starts
        if not retryable or starts >= MOST_STARTS or restarts >= self._most:
            return None
        self.count += 1
        return PAUSES[restarts]

    def _recent_starts(self) -> int:
        left = WINDOW_SECONDS
        for count, seconds in enumerate(reversed(self._ready_seconds)):
            left -= seconds
            if left < 0:
                return count
        return len(self._ready_seconds)
