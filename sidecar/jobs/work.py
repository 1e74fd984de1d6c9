"""Work on whole files in a worker thread: until it is done or somebody cancels it, with its progress reported.

Owns how a cancel reaches the thread, and when events of the progress are appended. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event as Flag
from typing import TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from sidecar.contract.errors import Cancelled
from sidecar.contract.method import Event
from sidecar.events.event_log import EventLog
from sidecar.jobs.progress import Progress

REPORT_SECONDS = 0.1
"""Between two events. A disk is fast: most of this work takes seconds, and a bar in ten steps a second looks smooth."""

T = TypeVar("T")


class Stopped(Exception):
    """The work was stopped; nothing of it is left."""


class Work:
    """The state of some work. The thread counts in it, and stops when `stop` is set.

    Args:
        total_bytes: what there is to do; 0 where that is not known yet.
    """

    def __init__(self, total_bytes: int = 0) -> None:
        self.progress = Progress([total_bytes], report_seconds=REPORT_SECONDS)
        self.stop = Flag()

    @property
    def total_bytes(self) -> int:
        """What there is to do."""
        return self.progress.total_bytes or 0

    @total_bytes.setter
    def total_bytes(self, total_bytes: int) -> None:
        self.progress.sizes[0] = total_bytes

    def done(self, count: int) -> None:
        """So many bytes more are done.

        Raises:
            Stopped: it is to stop.
        """
        if self.stop.is_set():
            raise Stopped
        self.progress.add(count)


async def run_in_thread(
    run: Callable[[Work], T], *, events: EventLog, event: Callable[[int, int], Event], total_bytes: int = 0
) -> T:
    """What `run` returns, from a thread. A cancel is passed on to the work, and waits until that has ended.

    Args:
        run: does the work, counting it.
        events: of the job.
        event: makes an event of the bytes done and their total; appended as soon as the total is known, while the work
            is done, and when it is done.
        total_bytes: what there is to do, where that is known before.

    Raises:
        Cancelled: it was stopped.
    """
    work = Work(total_bytes)

    async def watch() -> None:
        try:
            while True:
                _report(work, events, event)
                await work.progress.next_report()
        finally:
            work.stop.set()

    outcome: list[T] = []
    failure: Exception | None = None
    async with anyio.create_task_group() as watching:
        watching.start_soon(watch)
        with anyio.CancelScope(shield=True):
            await anyio.lowlevel.checkpoint()  # let it begin to watch
            try:
                outcome.append(await anyio.to_thread.run_sync(run, work))
            except Exception as error:  # noqa: BLE001 - raised below, where no task group wraps it
                failure = error
        watching.cancel_scope.cancel()
    if isinstance(failure, Stopped):
        raise Cancelled("The work was cancelled; nothing of it is left.")
    if failure is not None:
        raise failure
    _report(work, events, event)
    return outcome[0]


def _report(work: Work, events: EventLog, event: Callable[[int, int], Event]) -> None:
    if work.total_bytes:
        events.append(event(work.progress.done_bytes, work.total_bytes))
