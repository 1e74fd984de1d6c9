"""Memory estimates and recommended settings.

Imports the code that makes them with the first request: most hosts start one server and never request any. `service`
estimates, `recommending` recommends.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from sidecar.contract.memory import MemoryEstimate, RecommendSettingsResult
from sidecar.engines.launch import Launch
from sidecar.engines.output.memory_lines import MemoryLines
from sidecar.host.gpus import GpuReader
from sidecar.library.header_cache import HeaderCache
from sidecar.storage.database import KeyValueStore

if TYPE_CHECKING:
    from sidecar.servers.memory.experience import Experience
    from sidecar.servers.memory.service import MemoryPlanner


class MemoryEstimates:
    """How much memory launches use.

    Args:
        store: keeps the measurements of earlier starts.
        headers: the headers of models.
        gpus: read at each estimate.
    """

    def __init__(self, store: KeyValueStore, headers: HeaderCache, gpus: GpuReader) -> None:
        self._store = store
        self._headers = headers
        self._gpus = gpus

    async def estimate(self, launch: Launch, *, quick: bool = False) -> MemoryEstimate:
        """How much memory a launch would use; with `quick`, no engine is run for it.

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

    async def observe(self, launch: Launch, lines: MemoryLines, pid: int) -> None:
        """Record how much memory a start uses that has just become ready. A failed measurement raises nothing.

        Args:
            lines: what the engine's log says of memory.
            pid: its process.
        """
        await self._experience.observe(launch, lines, pid)

    @cached_property
    def _experience(self) -> Experience:
        from sidecar.servers.memory.experience import Experience

        return Experience(self._store, self._headers)

    @cached_property
    def _planner(self) -> MemoryPlanner:
        from sidecar.servers.memory.service import MemoryPlanner

        return MemoryPlanner(self._experience, self._headers, gpus=self._gpus)
