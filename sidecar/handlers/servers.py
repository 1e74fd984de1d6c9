"""Servers and engines."""

from __future__ import annotations

import time
from functools import partial

import anyio.to_thread

from sidecar.builds.service import Builds
from sidecar.contract.builds import ManagedEngines, RemoveEngineParams
from sidecar.contract.server_settings import ServerSettings
from sidecar.contract.servers import (
    DEFAULT_SERVER_ID,
    GetLlamaConfigParams,
    GetServerParams,
    IsLlamaRunningParams,
    ListServersParams,
    LlamaConfig,
    PingServerParams,
    PingServerResult,
    PreviewCommandParams,
    PreviewCommandResult,
    RestartServerParams,
    ServerDetails,
    ServerInfo,
    StartLlamaServerParams,
    StopLlamaServerParams,
    SwitchModelParams,
)
from sidecar.engines.client.engine_client import EngineClient
from sidecar.handlers.call import Call, Handler
from sidecar.processes.owner import owner
from sidecar.servers.memory.estimates import MemoryEstimates
from sidecar.servers.server import Server
from sidecar.servers.server_manager import ServerManager
from sidecar.servers.start_planner import StartPlanner
from sidecar.servers.start_settings import with_model
from sidecar.services import Services


class ServerHandlers:
    """The Servers family."""

    def __init__(self, *, servers: ServerManager, planner: StartPlanner, builds: Builds) -> None:
        self._servers = servers
        self._planner = planner
        self._builds = builds

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
            "remove_engine": self.remove_engine,
        }

    async def start(self, params: StartLlamaServerParams, call: Call) -> ServerInfo:
        settings = self._planner.settings(params)
        server = self._servers.start(params.server_id or DEFAULT_SERVER_ID, settings)
        call.follow(server.events)
        return await self._servers.until_ready(server)

    async def stop(self, params: StopLlamaServerParams, call: Call) -> str:
        await self._servers.stop(self._named(params.server_id))
        return "llama-server stopped"

    async def is_running(self, params: IsLlamaRunningParams, call: Call) -> bool:
        server = self._servers.find(params.server_id or DEFAULT_SERVER_ID)
        return server is not None and server.is_usable

    async def get_config(self, params: GetLlamaConfigParams, call: Call) -> LlamaConfig:
        server = self._servers.find(server_id := params.server_id or DEFAULT_SERVER_ID)
        if server is None:
            return self._planner.describe(server_id, ServerSettings())
        return self._planner.describe(server_id, server.settings_again, port=server.info().port)

    async def get(self, params: GetServerParams, call: Call) -> ServerDetails:
        return self._named(params.server_id).details()

    async def list_servers(self, params: ListServersParams, call: Call) -> list[ServerInfo]:
        return self._servers.infos()

    async def restart(self, params: RestartServerParams, call: Call) -> ServerInfo:
        server = self._named(params.server_id)
        return await self._replace(server, server.settings_again, call)

    async def switch_model(self, params: SwitchModelParams, call: Call) -> ServerInfo:
        server = self._named(params.server_id)
        return await self._replace(server, with_model(server.settings_again, params.model), call)

    async def preview(self, params: PreviewCommandParams, call: Call) -> PreviewCommandResult:
        return await self._planner.preview(self._planner.settings(params))

    async def ping(self, params: PingServerParams, call: Call) -> PingServerResult:
        if params.base_url is None:
            server = self._named(params.server_id)
            if server.state != "ready":
                problem = f"The server is not ready; its state is {server.state}."
                return PingServerResult(ok=False, latency_ms=None, status=None, error=problem)
            return await _ping(server.ready_client())
        try:
            client = EngineClient(params.base_url.rstrip("/").removesuffix("/v1"), None)
        except ValueError as error:
            return PingServerResult(ok=False, latency_ms=None, status=None, error=f"The address is invalid: {error}.")
        return await _ping(client)

    async def remove_engine(self, params: RemoveEngineParams, call: Call) -> ManagedEngines:
        async with self._builds.removing(params.name) as folder:
            self._servers.check_unused(params.name, folder)
        return await self._builds.managed()

    def _named(self, server_id: str | None) -> Server:
        return self._servers.get(server_id or DEFAULT_SERVER_ID)

    async def _replace(self, server: Server, settings: ServerSettings, call: Call) -> ServerInfo:
        """Restart a server with other settings. The running engine stays if these cannot be started."""
        await self._planner.choose(settings)
        async with self._servers.replacing(server, settings) as new:
            call.follow(new.events)
            return await self._servers.until_ready(new)


async def _ping(client: EngineClient) -> PingServerResult:
    started = time.perf_counter()
    status, latency = await client.health()
    if status is None:
        waited = time.perf_counter() - started
        return PingServerResult(ok=False, latency_ms=None, status=None, error=f"No answer within {waited:.1f} s.")
    error = None if status == 200 else f"It answered with HTTP status {status}."
    return PingServerResult(ok=status == 200, latency_ms=round(latency, 2), status=status, error=error)


def register(services: Services) -> dict[str, Handler]:
    config = services.config
    owner.register_in(services.data_dir.processes_file)
    services.planner = planner = StartPlanner(
        config=config, engines=services.engines, library=services.library, store=services.key_values
    )
    services.memory = MemoryEstimates(services.key_values, services.headers, services.gpus)
    services.servers = servers = ServerManager(
        config=config,
        planner=planner,
        memory=services.memory,
        builds=services.builds,
        gpus=services.gpus,
        logs=services.logs,
        runtime_dir=owner.sockets,
    )
    services.run_until_last_request.append(servers.run)
    services.background.append(partial(anyio.to_thread.run_sync, owner.sweep))
    services.at_end.push_async_callback(anyio.to_thread.run_sync, owner.close)
    return ServerHandlers(servers=servers, planner=planner, builds=services.builds).methods()
