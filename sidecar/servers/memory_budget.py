"""Room for one more engine: who sleeps so that another can start.

Owns the limit on loaded models and the order in which servers make way. What a launch takes of memory is `memory`'s
business, how a server sleeps its own.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import anyio

from sidecar.contract.config import EnginesConfig
from sidecar.contract.errors import QueueFull, SidecarError
from sidecar.contract.memory import MemoryEstimate
from sidecar.contract.servers import ServerState
from sidecar.engines.launch import Launch
from sidecar.servers.server import Server
from sidecar.servers.server_manager import ServerManager

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
"""How often servers that are all answering are looked at, until one has nothing to do."""

_LOADED: frozenset[ServerState] = frozenset({"starting", "loading", "warming", "ready", "stopping"})

Estimate = Callable[[Launch], Awaitable[MemoryEstimate]]


class MemoryBudget:
    """Makes room, for one start at a time.

    Args:
        estimate: what a launch would take of memory now, quickly.
    """

    def __init__(self, fleet: ServerManager, *, config: Callable[[], EnginesConfig], estimate: Estimate) -> None:
        self._fleet = fleet
        self._config = config
        self._estimate = estimate
        self._turn = anyio.Lock()

    async def make(self, server: Server, launch: Launch) -> None:
        """Let others sleep until there is room for a server's engine.

        Raises:
            QueueFull: as many models are loaded as may be, and for too long all of them have been in use.
        """
        async with self._turn:
            await self._keep_to_limit(server)
            if self._config().make_room:
                await self._free_memory(server, launch)

    async def _keep_to_limit(self, server: Server) -> None:
        config = self._config()
        if config.max_loaded is None:
            return
        with anyio.move_on_after(config.start_timeout_seconds):
            while len(self._loaded(server)) >= config.max_loaded:
                if not await self._let_one_sleep(server, "engines.max_loaded is reached"):
                    await anyio.sleep(LOOK_SECONDS)
            return
        raise QueueFull(
            f"{config.max_loaded} models are loaded, which engines.max_loaded allows, and all of them are in use.",
            hint="Stop a server, try again later, or raise engines.max_loaded.",
        )

    async def _free_memory(self, server: Server, launch: Launch) -> None:
        """Free what can be freed, as long as the launch does not fit; whether it then does is for the engine to say."""
        while self._loaded(server):
            try:
                found = await self._estimate(launch)
            except SidecarError as problem:  # a header that can not be read is for the start itself to tell
                logger.info("the memory for %s is not known: %s", launch.model_name, problem.message)
                return
            if found.fits or not await self._let_one_sleep(server, found.message):
                return

    async def _let_one_sleep(self, server: Server, why: str) -> bool:
        """Let the server sleep that was not asked for longest; whether one did."""
        for other in sorted(self._loaded(server), key=lambda other: other.asked_at):
            if await other.sleep():
                logger.info("server %s sleeps, to make room for %s: %s", other.server_id, server.server_id, why)
                return True
        return False

    def _loaded(self, but: Server) -> list[Server]:
        return [server for server in self._fleet.all() if server is not but and server.state in _LOADED]
