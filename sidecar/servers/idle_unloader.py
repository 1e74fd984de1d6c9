"""When a server unloads its idle engine, and what wakes it.

Owns whether the server is asleep: from when the client of the engine is no longer handed out until another engine is
ready. The server itself ends and starts processes.
"""

from __future__ import annotations

import time

import anyio

from sidecar.contract.errors import QueueFull
from sidecar.contract.server_settings import ServerSettings
from sidecar.engines.client.engine_client import EngineClient, EngineGone

SECONDS_A_MINUTE = 60.0


class IdleUnloader:
    """The sleep of one server.

    Args:
        settings: a server with a port or an address of its own never sleeps: other programs use it as well, and could
            not wake it.
        idle_minutes: how long it may stay unused before it sleeps by itself; `None` for no limit.

    Attributes:
        asleep: it has no engine until one is needed, or that one is being started.
        no_room: why it could not be woken, until the engine is needed again.
    """

    def __init__(self, settings: ServerSettings, idle_minutes: float | None) -> None:
        self.asleep = False
        self.no_room: QueueFull | None = None
        self._allowed = settings.port is None and settings.host is None
        self._idle_seconds = None if idle_minutes is None else idle_minutes * SECONDS_A_MINUTE
        self._unloading = anyio.Event()
        self._needed = anyio.Event()

    async def unload(self, client: EngineClient) -> bool:
        """Begin to sleep if this engine is idle; returns whether it is."""
        if not self._allowed or client.closed or not await _is_idle(client) or client.closed:
            return False
        if not self.asleep:
            self.asleep = True
            self._needed = anyio.Event()
            self._unloading.set()
        return True

    async def until_unloading(self, client: EngineClient) -> None:
        """Wait until a ready engine is to end: its idle timeout has passed, or it was evicted."""
        async with anyio.create_task_group() as tasks:
            if self._allowed and self._idle_seconds is not None:
                tasks.start_soon(self._unload_when_idle, client, self._idle_seconds)
            await self._unloading.wait()
            tasks.cancel_scope.cancel()

    async def until_needed(self) -> None:
        """Wait until the engine is needed."""
        await self._needed.wait()
        self.no_room = None

    def wake(self) -> None:
        """Request the engine."""
        self._needed.set()

    def stay_asleep(self, no_room: QueueFull) -> None:
        """It cannot be woken now: other servers use the room. The next request for the engine tries again."""
        self.no_room = no_room
        self._needed = anyio.Event()

    def end(self) -> None:
        """The sleep is over: an engine is ready, or there will be none."""
        self.asleep = False
        self._unloading = anyio.Event()

    async def _unload_when_idle(self, client: EngineClient, seconds: float) -> None:
        while True:
            await _until_unused(client, seconds)
            await self.unload(client)


async def _until_unused(client: EngineClient, seconds: float) -> None:
    """Wait until an engine has been unused for so long."""
    left = seconds
    while left > 0:
        await anyio.sleep(left)
        left = seconds if client.is_in_use else client.last_used_at + seconds - time.monotonic()


async def _is_idle(client: EngineClient) -> bool:
    """Whether an engine is idle, for other programs as well. The check itself counts as a use."""
    if client.is_in_use:
        return False
    try:
        busy = await client.busy_slots()
    except EngineGone:
        return False  # it is ending, not idle
    return not busy and not client.is_in_use
