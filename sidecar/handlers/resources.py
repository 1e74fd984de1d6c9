"""Resources."""

from __future__ import annotations

from sidecar.contract.resources import GetResourcesParams, Resources
from sidecar.handlers.call import Call, Handler
from sidecar.host.gpus import GpuReader
from sidecar.host.hardware import ResourceMonitor
from sidecar.services import Services


class ResourceHandlers:
    """The Resources family."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def methods(self) -> dict[str, Handler]:
        return {"get_resources": self.get}

    async def get(self, params: GetResourcesParams, call: Call) -> Resources:
        return await self._services.monitor.read(self._services.servers.processes())


def register(services: Services) -> dict[str, Handler]:
    services.gpus = GpuReader()
    services.monitor = ResourceMonitor(services.data_dir.root, gpus=services.gpus)
    services.at_end.callback(services.monitor.close)
    return ResourceHandlers(services).methods()
