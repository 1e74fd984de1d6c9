"""Memory plans and recommended settings.

What makes them is imported when it is asked for: most hosts start a server and never ask.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING

from sidecar.contract.memory import (
    EstimateMemoryParams,
    MemoryEstimate,
    RecommendSettingsParams,
    RecommendSettingsResult,
)
from sidecar.contract.servers import ServerSettings
from sidecar.engines.launch import Launch
from sidecar.handlers.call import Call, Handler
from sidecar.host.gpus import GpuReading
from sidecar.servers.server import Server
from sidecar.servers.start_planner import StartPlanner
from sidecar.storage.facts import Facts

if TYPE_CHECKING:
    from sidecar.servers.memory.observer import Experience
    from sidecar.servers.memory.service import MemoryPlanner


class MemoryHandlers:
    """The memory methods of the Models family."""

    def __init__(self, *, planner: StartPlanner, facts: Facts, read_gpus: Callable[[], Awaitable[GpuReading]]) -> None:
        self._planner = planner
        self._facts = facts
        self._read_gpus = read_gpus

    def methods(self) -> dict[str, Handler]:
        return {"estimate_memory": self.estimate, "recommend_settings": self.recommend}

    async def estimate(self, params: EstimateMemoryParams, call: Call) -> MemoryEstimate:
        launch = await self._planner.choose(self._planner.settings(params))
        return await self._plans.estimate(launch, quick=bool(params.quick))

    async def recommend(self, params: RecommendSettingsParams, call: Call) -> RecommendSettingsResult:
        from sidecar.servers.memory.recommending import recommend

        names = ("model", "model_path", "engine", "llama_cpp_path")
        chosen = {name: getattr(params, name) for name in names if getattr(params, name) is not None}
        launch = await self._planner.choose(ServerSettings(**chosen))
        return await recommend(launch, self._plans.estimate, chosen=chosen or {"model": launch.model_name})

    async def quick_estimate(self, launch: Launch) -> MemoryEstimate:
        """What a launch would take, without an engine being run for it."""
        return await self._plans.estimate(launch, quick=True)

    async def observe(self, server: Server) -> None:
        """Remember what a start has taken, once it is ready."""
        await self._experience.observe(server)

    @cached_property
    def _experience(self) -> Experience:
        from sidecar.servers.memory.observer import Experience

        return Experience(self._facts)

    @cached_property
    def _plans(self) -> MemoryPlanner:
        from sidecar.servers.memory.service import MemoryPlanner

        return MemoryPlanner(self._experience, read_gpus=self._read_gpus)
