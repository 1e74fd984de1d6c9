"""Memory plans and recommended settings."""

from __future__ import annotations

from sidecar.contract.memory import EstimateMemory, MemoryEstimate, RecommendedSettings, RecommendSettings
from sidecar.contract.servers import ServerSettings
from sidecar.handlers.call import Call, Handler
from sidecar.memory.recommending import recommend
from sidecar.memory.service import MemoryPlans
from sidecar.servers.planner import Planner


class MemoryHandlers:
    """The memory methods of the Models family."""

    def __init__(self, *, planner: Planner, plans: MemoryPlans) -> None:
        self._planner = planner
        self._plans = plans

    def methods(self) -> dict[str, Handler]:
        return {"estimate_memory": self.estimate, "recommend_settings": self.recommend}

    async def estimate(self, params: EstimateMemory, call: Call) -> MemoryEstimate:
        launch = await self._planner.choose(self._planner.settings(params))
        return await self._plans.estimate(launch, quick=bool(params.quick))

    async def recommend(self, params: RecommendSettings, call: Call) -> RecommendedSettings:
        names = ("model", "model_path", "engine", "llama_cpp_path")
        chosen = {name: getattr(params, name) for name in names if getattr(params, name) is not None}
        launch = await self._planner.choose(ServerSettings(**chosen))
        return await recommend(launch, self._plans.estimate, chosen=chosen or {"model": launch.model_name})
