"""The memory budget: which servers are evicted so that another can start.

Owns the limit on loaded models and the order of eviction. `evictions` decides and is pure; `MemoryBudget` acts.
`memory` estimates how much memory a launch uses, and the server itself decides how it goes to sleep.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

import anyio
import msgspec

from sidecar.contract.errors import QueueFull, SidecarError
from sidecar.contract.remedies import RETRY, call, open_settings
from sidecar.engines.launch import Launch
from sidecar.servers.memory.estimates import MemoryEstimates
from sidecar.storage.config import ConfigFile

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.25
"""Pause between two attempts to evict while every server is busy."""


class Need(msgspec.Struct, frozen=True):
    """What a start needs.

    Attributes:
        most: how many other servers may be loaded; `None` for no limit.
        fits: whether its launch fits into the free memory.
    """

    most: int | None = None
    fits: bool = True


class Running(msgspec.Struct, frozen=True):
    """A server that is loaded.

    Attributes:
        last_used_at: when it was last used, on any clock.
        is_idle: it may be evicted; False where it has refused to sleep.
    """

    server_id: str
    last_used_at: float
    is_idle: bool = True


def evictions(need: Need, running: Sequence[Running]) -> list[str]:
    """The servers to evict now, in this order: as many as the limit demands, and at least one if the launch does not
    fit. The least recently used go first. Pure."""
    count = 0 if need.most is None else len(running) - need.most
    if not need.fits:
        count = max(count, 1)
    idle = sorted((one for one in running if one.is_idle), key=lambda one: one.last_used_at)
    return [one.server_id for one in idle[: max(count, 0)]]


class Evictable(Protocol):
    """What eviction needs of a server."""

    @property
    def server_id(self) -> str: ...

    @property
    def is_loaded(self) -> bool:
        """Whether its engine holds memory, or is about to."""
        ...

    @property
    def last_used_at(self) -> float: ...

    async def sleep(self) -> bool:
        """Unload the engine if it is idle; returns whether it was."""
        ...


class MemoryBudget:
    """Makes room for one start at a time.

    Args:
        servers: every server by its id, loaded or not.
        config: read at each start.
        memory: estimates how much memory a launch would use now.
    """

    def __init__(self, servers: Mapping[str, Evictable], *, config: ConfigFile, memory: MemoryEstimates) -> None:
        self._servers = servers
        self._config = config
        self._memory = memory
        self._turn = anyio.Lock()

    async def make_room(self, server_id: str, launch: Launch) -> None:
        """Evict other servers until there is room for a server's engine.

        Raises:
            QueueFull: the limit on loaded models is reached, and all of them stayed in use for
                `engines.start_timeout_seconds`.
        """
        async with self._turn:
            await self._keep_to_limit(server_id)
            if self._config.config.engines.make_room:
                await self._free_memory(server_id, launch)

    async def _keep_to_limit(self, server_id: str) -> None:
        config = self._config.config.engines
        if config.max_loaded is None:
            return
        need = Need(most=config.max_loaded - 1)
        with anyio.move_on_after(config.start_timeout_seconds):
            while len(self._loaded(server_id)) >= config.max_loaded:
                if not await self._evict(need, server_id, "engines.max_loaded is reached"):
                    await anyio.sleep(RETRY_SECONDS)
            return
        raise QueueFull(
            f"{config.max_loaded} models are loaded, the limit of engines.max_loaded, and all of them are in use.",
            hint="Stop a server, try again later, or allow more loaded models in the settings.",
            remedies=(call("stop_llama_server"), RETRY, open_settings("engines.max_loaded")),
        )

    async def _free_memory(self, server_id: str, launch: Launch) -> None:
        """Evict servers until the launch fits or none is idle; whether it then loads, the engine decides."""
        while self._loaded(server_id):
            try:
                found = await self._memory.estimate(launch, quick=True)
            except SidecarError as problem:  # a header that cannot be read fails the start itself, with its reason
                logger.info("the memory for %s cannot be estimated: %s", launch.model_name, problem.message)
                return
            if found.fits or not await self._evict(Need(fits=False), server_id, found.message):
                return

    async def _evict(self, need: Need, server_id: str, why: str) -> bool:
        """Evict the servers that `evictions` chooses; False if one of them could not be evicted."""
        busy: set[str] = set()
        while chosen := evictions(need, self._running(server_id, busy)):
            for name in chosen:
                server = self._servers.get(name)
                if server is None or not await server.sleep():
                    busy.add(name)
                    break
                logger.info("server %s was evicted to make room for %s: %s", name, server_id, why)
            else:
                return True
        return not busy

    def _running(self, server_id: str, busy: set[str]) -> list[Running]:
        return [
            Running(one.server_id, one.last_used_at, is_idle=one.server_id not in busy)
            for one in self._loaded(server_id)
        ]

    def _loaded(self, excluded: str) -> list[Evictable]:
        return [one for one in self._servers.values() if one.server_id != excluded and one.is_loaded]
