"""Work on whole files, as a request sees it: in a thread, with progress on its channel, and ended by a cancel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from sidecar.contract.method import Event
from sidecar.contract.models import ModelWork
from sidecar.events.event_log import EventLog
from sidecar.handlers.call import Call
from sidecar.library.file_copy import Work, carried_through

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
            loop.call_soon_threadsafe(partial(events.append, event))

    result = await carried_through(Work(tell=tell), run)
    events.append(done(result))
    return result
