"""Resources."""

from __future__ import annotations

from sidecar.contract.resources import GetResourcesParams, Resources
from sidecar.handlers.call import Call, Handler
from sidecar.host.hardware import EngineProcess, ResourceMonitor
from sidecar.servers.server_manager import ServerManager


class ResourceHandlers:
    """The Resources family."""

    def __init__(self, monitor: ResourceMonitor, fleet: ServerManager) -> None:
        self._monitor = monitor
        self._fleet = fleet

    def methods(self) -> dict[str, Handler]:
        return {"get_resources": self.get}

    async def get(self, params: GetResourcesParams, call: Call) -> Resources:
        return await self.read()

    async def read(self) -> Resources:
        """A reading of the machine and its engines."""
        running = [EngineProcess(s.server_id, s.pid) for s in self._fleet.all() if s.pid is not None]
        return await self._monitor.read(running)
