"""Work that a test watches."""

from __future__ import annotations

from collections.abc import Callable

from sidecar.jobs.work import Work


class WatchedWork(Work):
    """Calls the test, in the thread, with the bytes done and their total after each piece."""

    def __init__(self, each: Callable[[int, int], object]) -> None:
        super().__init__()
        self._each = each

    def done(self, count: int) -> None:
        super().done(count)
        self._each(self.progress.done_bytes, self.total_bytes)
