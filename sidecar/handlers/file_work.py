"""Work on whole files, as a request sees it: in a thread, with progress on its channel, and ended by a cancel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread

from sidecar.channels import EventLog
from sidecar.contract.errors import Cancelled
from sidecar.contract.method import Event
from sidecar.contract.models import ModelWork
from sidecar.handlers.call import Call
from sidecar.models.contents import Stopped, Work

TELL_SECONDS = 0.1
"""Between two events: more often nobody sees."""

_T = TypeVar("_T")


async def carried_out(call: Call, run: Callable[[Work], _T], done: Callable[[_T], Event]) -> _T:
    """What `run` returns, with `done` as the channel's last event; of failures dispatch tells.

    A cancel stops the work and is answered when nothing is left of it.

    Raises:
        Cancelled: by the host.
        SidecarError: what `run` raises.
    """
    events = EventLog()
    call.follow(events)
    loop = asyncio.get_running_loop()
    told_at = 0.0

    def tell(done_bytes: int, total_bytes: int) -> None:
        nonlocal told_at
        if done_bytes == total_bytes or time.monotonic() >= told_at + TELL_SECONDS:
            told_at = time.monotonic()
            event = ModelWork(done_bytes=done_bytes, total_bytes=total_bytes)
            loop.call_soon_threadsafe(partial(events.append, event, replaces=True))

    result = await _stoppable(Work(tell=tell), run)
    events.append(done(result))
    return result


async def _stoppable(work: Work, run: Callable[[Work], _T]) -> _T:
    """Run it in a thread. A cancel is passed on to the work, and waits until that has ended."""

    async def stop_when_cancelled() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            work.stop.set()

    outcome: list[_T] = []
    failure: Exception | None = None
    async with anyio.create_task_group() as watching:
        watching.start_soon(stop_when_cancelled)
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
    return outcome[0]
