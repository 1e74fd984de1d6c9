"""Whether an engine that has ended by itself is started again, and when.

Pure: knows no clock and no process, only how long each engine was ready and why it ended.
"""

from __future__ import annotations

from collections import deque

from sidecar.contract.errors import (
    Cause,
    EngineCrashed,
    EngineStartFailed,
    EngineUnresponsive,
    PortInUse,
    QueueFull,
    SidecarError,
)

MOST_STARTS = 5
"""Starts within WINDOW_SECONDS, the host's own among them. An engine that needs more is broken, and each load of a
large model keeps the whole machine busy."""

WINDOW_SECONDS = 180.0
"""What counts as one crash after the other, in seconds of being ready: the time of loads would hide a crash loop behind
a large model, which takes a minute to load before it crashes each time."""

PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each restart of a row. The first crash is most often the only one, so nobody waits for that; then what
ails the machine gets time to pass. The longest still is short beside the load of a large model."""

WILL_COME_AGAIN: frozenset[Cause] = frozenset(
    {
        "BAD_FLAG",
        "MODEL_CORRUPT",
        "MODEL_NOT_SUPPORTED",
        "MISSING_LIBRARY",
        "PERMISSION_DENIED",
        # The same settings need the same memory, and to load them once more takes what others have left.
        "OUT_OF_MEMORY",
        "GPU_NOT_USED",
    }
)
"""Causes that no new start does away with. KILLED is none of them, though the system may have done it for want of
memory: somebody may as well have done it by hand."""


class RestartBudget:
    """The restarts of one server.

    Args:
        most: restarts within WINDOW_SECONDS of being ready; 0 for none.

    Attributes:
        count: how many there have been.
    """

    def __init__(self, most: int) -> None:
        self.count = 0
        self._most = most
        self._ready_seconds: deque[float] = deque(maxlen=MOST_STARTS)

    def after(self, reason: SidecarError, ready_seconds: float) -> float | None:
        """What is to be done after an engine's end: seconds until the next start, or `None` to leave it at that.

        Args:
            reason: why it ended, or did not become ready.
            ready_seconds: how long it was ready; 0 where it did not get so far.
        """
        if isinstance(reason, QueueFull):  # there was no room for an engine, so none was started
            return None
        self._ready_seconds.append(ready_seconds)
        starts = self._recent_starts()
        # Each crash of a row but this one was followed by a restart. A start before the row is no part of it, its
        # crash is.
        restarts = starts - 1 if starts == len(self._ready_seconds) else starts
        if not passes(reason) or starts >= MOST_STARTS or restarts >= self._most:
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


def passes(reason: SidecarError) -> bool:
    """Whether another start may well do better."""
    if isinstance(reason, EngineCrashed | EngineStartFailed):
        return reason.data["cause"] not in WILL_COME_AGAIN
    return isinstance(reason, EngineUnresponsive | PortInUse)
