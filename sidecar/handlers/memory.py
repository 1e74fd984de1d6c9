"""Memory plans and recommended settings."""

from __future__ import annotations

from sidecar.contract.memory import (
    EstimateMemoryParams,
    MemoryEstimate,
    RecommendSettingsParams,
    RecommendSettingsResult,
)
from sidecar.contract.server_settings import ServerSettings
from sidecar.handlers.call import Call, Handler
from sidecar.servers.memory.estimates import MemoryEstimates
from sidecar.servers.start_planner import StartPlanner
from sidecar.services import Services


class MemoryHandlers:
    """The memory methods of the Models family."""

    def __init__(self, memory: MemoryEstimates, planner: StartPlanner) -> None:
        self._memory = memory
        self._planner = planner

    def methods(self) -> dict[str, Handler]:
        return {"estimate_memory": self.estimate, "recommend_settings": self.recommend}

    async def estimate(self, params: EstimateMemoryParams, call: Call) -> MemoryEstimate:
        launch = await self._planner.choose(self._planner.settings(params))
        return await self._memory.estimate(launch, quick=bool(params.quick))

    async def recommend(self, params: RecommendSettingsParams, call: Call) -> RecommendSettingsResult:
        names = ("model", "model_path", "engine", "llama_cpp_path")
        chosen = {name: getattr(params, name) for name in names if getattr(params, name) is not None}
        return await self._memory.recommend(await self._planner.choose(ServerSettings(**chosen)), chosen)


def register(services: Services) -> dict[str, Handler]:
    return MemoryHandlers(services.memory, services.planner).methods()
