"""Work on whole files in a worker thread, with progress events and cancellation.

Owns how a cancellation reaches the thread, and when events of the progress are appended. Knows nothing of files.
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
"""Interval of events: most of this work takes only seconds, and ten steps a second make a smooth progress bar."""

T = TypeVar("T")


class Stopped(Exception):
    """The work was stopped; it has left nothing behind."""


class Work:
    """The state of some work. The thread counts its progress here, and stops when `stop` is set.

    Args:
        total_bytes: the bytes to process; 0 if not known yet.
    """

    def __init__(self, total_bytes: int = 0) -> None:
        self.progress = Progress([total_bytes], report_seconds=REPORT_SECONDS)
        self.stop = Flag()

    @property
    def total_bytes(self) -> int:
        """The bytes to process; 0 if not known yet."""
        return self.progress.total_bytes or 0

    @total_bytes.setter
    def total_bytes(self, total_bytes: int) -> None:
        self.progress.sizes[0] = total_bytes

    def done(self, count: int) -> None:
        """Count processed bytes.

        Raises:
            Stopped: `stop` is set.
        """
        if self.stop.is_set():
            raise Stopped
        self.progress.add(count)


async def run_in_thread(
    run: Callable[[Work], T], *, events: EventLog, event: Callable[[int, int], Event], total_bytes: int = 0
) -> T:
    """Call `run` in a thread, and return its result. A cancellation stops the work, and waits for its end.

    Args:
        run: does the work, and counts it.
        events: the log for the events.
        event: makes an event from the done bytes and their total; appended once the total is known, during the work,
            and at its end.
        total_bytes: the bytes to process, if known in advance.

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
            await anyio.lowlevel.checkpoint()  # the watch begins first
            try:
                outcome.append(await anyio.to_thread.run_sync(run, work))
            except Exception as error:  # noqa: BLE001 - raised below, where no task group wraps it
                failure = error
        watching.cancel_scope.cancel()
    if isinstance(failure, Stopped):
        raise Cancelled("The work was cancelled; it has left nothing behind.")
    if failure is not None:
        raise failure
    _report(work, events, event)
    return outcome[0]


def _report(work: Work, events: EventLog, event: Callable[[int, int], Event]) -> None:
    if work.total_bytes:
        events.append(event(work.progress.done_bytes, work.total_bytes))
