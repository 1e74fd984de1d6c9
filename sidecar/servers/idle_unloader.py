"""The rest of one server: when its engine may end for want of questions, and what wakes it.

Owns whether it sleeps, from the moment in which nobody is given the way to the engine any more until another engine is
ready. That a process is ended and started for it is `server`'s business.
"""

from __future__ import annotations

import time

import anyio

from sidecar.contract.errors import QueueFull
from sidecar.contract.servers import ServerSettings
from sidecar.engines.client.engine_client import EngineClient, EngineGone

SECONDS_A_MINUTE = 60.0


class IdleUnloader:
    """The rest of one server.

    Args:
        settings: with a port or an address of its own it is there for others, too, who would find nobody there, and
            could wake nobody.
        idle_minutes: how long nobody may have asked before it sleeps by itself; `None` for as long as one likes.

    Attributes:
        asleep: it has no engine until somebody needs one, or that one is on its way.
        no_room: why it could not be woken, until somebody needs the engine again.
    """

    def __init__(self, settings: ServerSettings, idle_minutes: float | None) -> None:
        self.asleep = False
        self.no_room: QueueFull | None = None
        self._allowed = settings.port is None and settings.host is None
        self._idle_seconds = None if idle_minutes is None else idle_minutes * SECONDS_A_MINUTE
        self._lain_down = anyio.Event()
        self._wanted = anyio.Event()

    async def lie_down(self, link: EngineClient) -> bool:
        """Sleep from now on, if nobody waits for an answer of this engine; whether it does."""
        if not self._allowed or link.closed or not await _is_at_rest(link) or link.closed:
            return False
        if not self.asleep:
            self.asleep = True
            self._wanted = anyio.Event()
            self._lain_down.set()
        return True

    async def until_asleep(self, link: EngineClient) -> None:
        """Wait until a ready engine is to end: nobody has asked it for long enough, or somebody made it lie down."""
        async with anyio.create_task_group() as tasks:
            if self._allowed and self._idle_seconds is not None:
                tasks.start_soon(self._tire, link, self._idle_seconds)
            await self._lain_down.wait()
            tasks.cancel_scope.cancel()

    async def until_wanted(self) -> None:
        """Wait until somebody needs the engine."""
        await self._wanted.wait()
        self.no_room = None

    def wake(self) -> None:
        """The engine is needed."""
        self._wanted.set()

    def go_on(self, no_room: QueueFull) -> None:
        """It can not be woken now: the room is taken by others. Whoever needs the engine next tries again."""
        self.no_room = no_room
        self._wanted = anyio.Event()

    def is_over(self) -> None:
        """There is an engine again, or there will be none."""
        self.asleep = False
        self._lain_down = anyio.Event()

    async def _tire(self, link: EngineClient, seconds: float) -> None:
        while True:
            await _until_unused(link, seconds)
            await self.lie_down(link)


async def _until_unused(link: EngineClient, seconds: float) -> None:
    """Wait until an engine was asked nothing for so long."""
    left = seconds
    while left > 0:
        await anyio.sleep(left)
        left = seconds if link.is_asked else link.asked_at + seconds - time.monotonic()


async def _is_at_rest(link: EngineClient) -> bool:
    """Whether an engine works on nothing, for others neither. To look counts as a question."""
    if link.is_asked:
        return False
    try:
        busy = await link.busy_slots()
    except EngineGone:
        return False  # it does not rest, it ends
    return not busy and not link.is_asked
