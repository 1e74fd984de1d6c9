"""Engines, and managed llama.cpp builds."""

from __future__ import annotations

from functools import partial

import anyio.to_thread

from sidecar.builds.discovery import Engines
from sidecar.builds.proof import Prover
from sidecar.builds.registry import WORK
from sidecar.builds.service import Builds
from sidecar.contract.builds import (
    InstallEngineParams,
    ManagedEngines,
    SetDefaultEngineParams,
)
from sidecar.contract.engines import EngineInfo, ListEnginesParams, ProbeEngineParams, ProbeEngineResult
from sidecar.events.event_log import EventLog
from sidecar.handlers.call import Call, Handler
from sidecar.processes.owner import owner
from sidecar.services import Services


class EngineHandlers:
    """The engines' part of the Servers family."""

    def __init__(self, *, engines: Engines, builds: Builds) -> None:
        self._engines = engines
        self._builds = builds

    def methods(self) -> dict[str, Handler]:
        return {
            "list_engines": self.list_engines,
            "probe_engine": self.probe,
            "install_engine": self.install,
            "set_default_engine": self.set_default,
        }

    async def list_engines(self, params: ListEnginesParams, call: Call) -> list[EngineInfo]:
        return await self._engines.infos()

    async def probe(self, params: ProbeEngineParams, call: Call) -> ProbeEngineResult:
        probe = await self._engines.probe(params.llama_cpp_path)
        if params.prove:
            probe.proof = await self._builds.prove(params.llama_cpp_path)
        return probe

    async def install(self, params: InstallEngineParams, call: Call) -> EngineInfo:
        events = EventLog()
        call.follow(events)
        return await self._builds.install(params, events)

    async def set_default(self, params: SetDefaultEngineParams, call: Call) -> ManagedEngines:
        return await self._builds.set_default(params.name)


def register(services: Services) -> dict[str, Handler]:
    folder, config = services.data_dir.engines, services.config
    services.builds = builds = Builds(
        folder,
        downloads=services.downloads,
        prover=Prover(logs=services.logs, runtime_dir=owner.sockets, work=folder / WORK),
        config=config,
    )
    services.engines = Engines(config, builds)
    services.run_until_stop.append(builds.run)
    services.background.append(partial(anyio.to_thread.run_sync, builds.tidy))
    services.notice_sources.append(builds)
    return EngineHandlers(engines=services.engines, builds=builds).methods()
