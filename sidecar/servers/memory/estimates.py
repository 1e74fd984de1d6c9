"""Memory estimates and recommended settings, for whoever asks.

Owns that what makes them is imported when the first is asked for: most hosts start one server and never ask. What is
estimated, and how, is `service`'s and `recommending`'s.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from sidecar.contract.memory import MemoryEstimate, RecommendSettingsResult
from sidecar.engines.launch import Launch
from sidecar.engines.output.memory_lines import MemoryLines
from sidecar.host.gpus import GpuReader
from sidecar.library.gguf.header_cache import HeaderCache
from sidecar.storage.database import KeyValueStore

if TYPE_CHECKING:
    from sidecar.servers.memory.experience import Experience
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

    async def observe(self, launch: Launch, lines: MemoryLines, pid: int) -> None:
        """Remember what a start has taken that has just become ready. For want of a figure nothing is raised.

        Args:
            lines: what the engine has said of memory.
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
