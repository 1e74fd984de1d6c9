"""Memory estimates and recommended settings, for whoever asks.

Owns that what makes them is imported when the first is asked for: most hosts start one server and never ask. What is
estimated, and how, is `service`'s and `recommending`'s.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import anyio

from sidecar.contract.memory import MemoryEstimate, RecommendSettingsResult
from sidecar.contract.servers import ServerInfo
from sidecar.engines.launch import Launch
from sidecar.host.gpus import GpuReader
from sidecar.library.gguf.header_cache import HeaderCache
from sidecar.servers.server import Server
from sidecar.servers.server_manager import ServerManager
from sidecar.storage.key_value_store import KeyValueStore

if TYPE_CHECKING:
    from sidecar.servers.memory.observer import Experience
    from sidecar.servers.memory.service import MemoryPlanner


class MemoryEstimates:
    """What launches take of memory.

    Args:
        store: keeps what starts have taken.
        headers: of models, read or cached.
        gpus: read at each estimate.
    """

    def __init__(self, store: KeyValueStore, headers: HeaderCache, gpus: GpuReader) -> None:
        self._store = store
        self._headers = headers
        self._gpus = gpus

    async def estimate(self, launch: Launch, *, quick: bool = False) -> MemoryEstimate:
        """What a launch would take; with `quick`, without an engine being run for it.

        Raises:
            ModelInvalid, ModelNotFound, PathNotAllowed, PermissionDenied: the model's header cannot be read.
        """
        return await self._planner.estimate(launch, quick=quick)

    async def recommend(self, launch: Launch, chosen: dict[str, str]) -> RecommendSettingsResult:
        """Settings for a launch that fit; `chosen` names the model and engine in the result.

        Raises:
            ModelInvalid, ModelNotFound, PathNotAllowed, PermissionDenied: the model's header cannot be read.
        """
        from sidecar.servers.memory.recommending import recommend

        return await recommend(launch, self._planner.estimate, chosen=chosen or {"model": launch.model_name})

    @asynccontextmanager
    async def observing(self, servers: ServerManager) -> AsyncIterator[None]:
        """Remember what each start has taken, once it is ready. Nothing waits for that."""
        async with anyio.create_task_group() as tasks:

            def observe(server_id: str, info: ServerInfo | None) -> None:
                if info is not None and info.state == "ready":
                    tasks.start_soon(self._observe, servers.get(server_id))

            stop = servers.listen(observe)
            yield
            stop()
            tasks.cancel_scope.cancel()

    async def _observe(self, server: Server) -> None:
        await self._experience.observe(server)

    @cached_property
    def _experience(self) -> Experience:
        from sidecar.servers.memory.observer import Experience

        return Experience(self._store, self._headers)

    @cached_property
    def _planner(self) -> MemoryPlanner:
        from sidecar.servers.memory.service import MemoryPlanner

        return MemoryPlanner(self._experience, self._headers, read_gpus=self._gpus.read)
