"""Servers and engines."""

from __future__ import annotations

import time

import anyio
import msgspec

from sidecar.contract.errors import Cancelled, ServerNotRunning
from sidecar.contract.servers import (
    DEFAULT_SERVER_ID,
    CommandPreview,
    EngineInfo,
    EngineProbe,
    GetLlamaConfig,
    GetServer,
    IsLlamaRunning,
    ListEngines,
    ListServers,
    LlamaConfig,
    PingServer,
    PreviewCommand,
    ProbeEngine,
    RestartServer,
    ServerDetails,
    ServerInfo,
    ServerPing,
    ServerSettings,
    StartLlamaServer,
    StopLlamaServer,
    SwitchModel,
)
from sidecar.engines.discovery import Engines
from sidecar.engines.fleet import Fleet
from sidecar.engines.link import EngineLink
from sidecar.engines.server import Server
from sidecar.handlers.call import Call, Handler
from sidecar.servers.planner import Planner


class ServerHandlers:
    """The Servers family."""

    def __init__(self, *, fleet: Fleet, engines: Engines, planner: Planner) -> None:
        self._fleet = fleet
        self._engines = engines
        self._planner = planner

    def methods(self) -> dict[str, Handler]:
        return {
            "start_llama_server": self.start,
            "stop_llama_server": self.stop,
            "is_llama_running": self.is_running,
            "get_llama_config": self.get_config,
            "get_server": self.get,
            "list_servers": self.list_servers,
            "restart_server": self.restart,
            "switch_model": self.switch_model,
            "preview_command": self.preview,
            "ping_server": self.ping,
            "list_engines": self.list_engines,
            "probe_engine": self.probe,
        }

    async def start(self, params: StartLlamaServer, call: Call) -> ServerInfo:
        server = self._fleet.start(params.server_id or DEFAULT_SERVER_ID, lambda: self._planner.plan(params))
        return await self._see_ready(server, call)

    async def stop(self, params: StopLlamaServer, call: Call) -> str:
        await self._fleet.stop(params.server_id or DEFAULT_SERVER_ID)
        return "llama-server stopped"

    async def is_running(self, params: IsLlamaRunning, call: Call) -> bool:
        server = self._fleet.find(params.server_id or DEFAULT_SERVER_ID)
        return server is not None and server.state == "ready"

    async def get_config(self, params: GetLlamaConfig, call: Call) -> LlamaConfig:
        server_id = params.server_id or DEFAULT_SERVER_ID
        return self._planner.describe(server_id, self._fleet.find(server_id))

    async def get(self, params: GetServer, call: Call) -> ServerDetails:
        return self._fleet.get(params.server_id or DEFAULT_SERVER_ID).details()

    async def list_servers(self, params: ListServers, call: Call) -> list[ServerInfo]:
        return self._fleet.infos()

    async def restart(self, params: RestartServer, call: Call) -> ServerInfo:
        server_id = params.server_id or DEFAULT_SERVER_ID
        server = await self._fleet.restart(server_id, self._fleet.get(server_id).plan)
        return await self._see_ready(server, call)

    async def switch_model(self, params: SwitchModel, call: Call) -> ServerInfo:
        server_id = params.server_id or DEFAULT_SERVER_ID
        old = self._fleet.get(server_id).launch
        settings = msgspec.structs.asdict(old.settings if old else ServerSettings())
        # What belongs to the old model does not fit the new one.
        settings |= {"model": params.model, "model_path": None, "mmproj_path": None, "lora": None}
        wanted = StartLlamaServer(server_id=server_id, **settings)
        await self._planner.check_model(params.model)
        server = await self._fleet.restart(server_id, lambda: self._planner.plan(wanted))
        return await self._see_ready(server, call)

    async def preview(self, params: PreviewCommand, call: Call) -> CommandPreview:
        return await self._planner.preview(params)

    async def ping(self, params: PingServer, call: Call) -> ServerPing:
        if params.base_url is None:
            try:
                return await _ping(self._fleet.get(params.server_id or DEFAULT_SERVER_ID).ready_link())
            except ServerNotRunning as error:
                if self._fleet.find(params.server_id or DEFAULT_SERVER_ID) is None:
                    raise
                return ServerPing(ok=False, latency_ms=None, status=None, error=error.message)
        link = await EngineLink.open(params.base_url.rstrip("/").removesuffix("/v1"), None)
        try:
            return await _ping(link)
        finally:
            await link.close()

    async def list_engines(self, params: ListEngines, call: Call) -> list[EngineInfo]:
        return await self._engines.infos()

    async def probe(self, params: ProbeEngine, call: Call) -> EngineProbe:
        return await self._engines.probe(params.llama_cpp_path)

    async def _see_ready(self, server: Server, call: Call) -> ServerInfo:
        """Answer when a server is ready; a start that is cancelled leaves no process."""
        call.follow(server.events)
        try:
            info = await server.started()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self._fleet.stop(server.server_id)
            raise Cancelled("The start was cancelled.") from None
        await self._planner.remember(server)
        return info


async def _ping(link: EngineLink) -> ServerPing:
    started = time.perf_counter()
    status, latency = await link.health()
    if status is None:
        waited = time.perf_counter() - started
        return ServerPing(ok=False, latency_ms=None, status=None, error=f"No answer within {waited:.1f} s.")
    error = None if status == 200 else f"It answered with HTTP status {status}."
    return ServerPing(ok=status == 200, latency_ms=round(latency, 2), status=status, error=error)
