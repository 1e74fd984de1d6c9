"""Servers and engines."""

from __future__ import annotations

import time
from functools import partial

import anyio
import anyio.to_thread

from sidecar.contract.errors import Cancelled
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
    ServerSettings,
    StartLlamaServerParams,
    StopLlamaServerParams,
    SwitchModelParams,
)
from sidecar.engines.client.engine_client import EngineClient
from sidecar.handlers.call import Call, Handler
from sidecar.processes.owner import owner
from sidecar.servers.memory.estimates import MemoryEstimates
from sidecar.servers.memory_budget import MemoryBudget
from sidecar.servers.server import Server
from sidecar.servers.server_manager import ServerManager
from sidecar.servers.start_planner import StartPlanner, again, with_model
from sidecar.services import Services


class ServerHandlers:
    """The Servers family."""

    def __init__(self, *, fleet: ServerManager, planner: StartPlanner) -> None:
        self._fleet = fleet
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
        }

    async def start(self, params: StartLlamaServerParams, call: Call) -> ServerInfo:
        settings = self._planner.settings(params)
        server = self._fleet.start(params.server_id or DEFAULT_SERVER_ID, settings, self._planner.plan)
        return await self._see_ready(server, call)

    async def stop(self, params: StopLlamaServerParams, call: Call) -> str:
        await self._fleet.stop(self._named(params.server_id))
        return "llama-server stopped"

    async def is_running(self, params: IsLlamaRunningParams, call: Call) -> bool:
        server = self._fleet.find(params.server_id or DEFAULT_SERVER_ID)
        return server is not None and server.is_usable

    async def get_config(self, params: GetLlamaConfigParams, call: Call) -> LlamaConfig:
        server_id = params.server_id or DEFAULT_SERVER_ID
        return self._planner.describe(server_id, self._fleet.find(server_id))

    async def get(self, params: GetServerParams, call: Call) -> ServerDetails:
        return self._named(params.server_id).details()

    async def list_servers(self, params: ListServersParams, call: Call) -> list[ServerInfo]:
        return self._fleet.infos()

    async def restart(self, params: RestartServerParams, call: Call) -> ServerInfo:
        server = self._named(params.server_id)
        return await self._replace(server, again(server), call)

    async def switch_model(self, params: SwitchModelParams, call: Call) -> ServerInfo:
        server = self._named(params.server_id)
        return await self._replace(server, with_model(again(server), params.model), call)

    async def preview(self, params: PreviewCommandParams, call: Call) -> PreviewCommandResult:
        return await self._planner.preview(self._planner.settings(params))

    async def ping(self, params: PingServerParams, call: Call) -> PingServerResult:
        if params.base_url is None:
            server = self._named(params.server_id)
            if server.state != "ready":
                problem = f"The server is not ready; its state is {server.state}."
                return PingServerResult(ok=False, latency_ms=None, status=None, error=problem)
            return await _ping(server.ready_link())
        try:
            link = EngineClient(params.base_url.rstrip("/").removesuffix("/v1"), None)
        except ValueError as error:
            return PingServerResult(ok=False, latency_ms=None, status=None, error=f"There is no such address: {error}.")
        return await _ping(link)

    def _named(self, server_id: str | None) -> Server:
        return self._fleet.get(server_id or DEFAULT_SERVER_ID)

    async def _replace(self, server: Server, settings: ServerSettings, call: Call) -> ServerInfo:
        """Start anew with other settings. What can not be started does not stop what runs."""
        await self._planner.choose(settings)
        async with self._fleet.replacing(server, settings, self._planner.plan) as new:
            return await self._see_ready(new, call)

    async def _see_ready(self, server: Server, call: Call) -> ServerInfo:
        """Answer when a server is ready; a start that is cancelled leaves no process."""
        call.follow(server.events)
        try:
            info = await server.started()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self._fleet.stop(server)
            raise Cancelled("The start was cancelled.") from None
        await self._planner.remember(server)
        return info


async def _ping(link: EngineClient) -> PingServerResult:
    started = time.perf_counter()
    status, latency = await link.health()
    if status is None:
        waited = time.perf_counter() - started
        return PingServerResult(ok=False, latency_ms=None, status=None, error=f"No answer within {waited:.1f} s.")
    error = None if status == 200 else f"It answered with HTTP status {status}."
    return PingServerResult(ok=status == 200, latency_ms=round(latency, 2), status=status, error=error)


def register(services: Services) -> dict[str, Handler]:
    config = services.config
    owner.register_in(services.data_dir.processes_file)
    services.servers = servers = ServerManager(
        logs=services.logs,
        runtime_dir=owner.sockets,
        config=lambda: config.config.engines,
        read_gpus=services.gpus.read,
    )
    services.planner = planner = StartPlanner(
        config=lambda: config.config, engines=services.engines, library=services.library, store=services.key_values
    )
    services.memory = memory = MemoryEstimates(services.key_values, services.headers, services.gpus)
    budget = MemoryBudget(servers, config=lambda: config.config.engines, estimate=partial(memory.estimate, quick=True))
    servers.ask(make_room=budget.make, replaced=services.builds.replaced)
    services.run_to_the_end.append(servers.run)
    services.run_until_stop.append(partial(memory.observing, servers))
    services.background.append(partial(anyio.to_thread.run_sync, owner.sweep))
    services.at_end.push_async_callback(anyio.to_thread.run_sync, owner.close)
    return ServerHandlers(fleet=servers, planner=planner).methods()
