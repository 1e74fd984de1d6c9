"""A server as hosts see it.

Pure: reads what the server's owner task has written, and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sidecar.contract import WireError
from sidecar.contract.errors import ServerNotRunning
from sidecar.contract.servers import ServerDetails, ServerInfo, ServerState, StartPlan
from sidecar.engines.output.memory_report import memory_taken

if TYPE_CHECKING:
    from sidecar.servers.server import Server

_MESSAGES: dict[ServerState, str] = {
    "queued": "Waiting to start.",
    "planning": "Choosing the engine and checking the model.",
    "starting": "Starting the engine.",
    "loading": "Loading the model.",
    "warming": "Warming up.",
    "ready": "llama-server started successfully",
    "sleeping": "Sleeping; the next message starts its engine again.",
    "stopping": "Stopping.",
    "stopped": "llama-server stopped",
    "failed": "Failed.",
}


def members_of(server: Server) -> dict[str, Any]:
    """The members of ServerInfo, which other structs have as well."""
    launch, command, run = server.launch, server.command, server.engine_run
    process = run.process if run else None
    port = run.port if run else None
    why = server.failure if server.state == "failed" else server.crash
    return {
        "server_id": server.server_id,
        "state": server.state,
        "engine": launch.engine.name if launch else None,
        "model": launch.model_name if launch else None,
        "model_path": str(launch.model_path) if launch else None,
        "pid": server.pid,
        "port": port,
        "base_url": run.endpoint.base_url(port) if run and port else None,
        "ctx_size": launch.ctx_size if launch else None,
        "parallel": launch.parallel if launch else None,
        "n_gpu_layers": launch.n_gpu_layers if launch else None,
        "started_at": process.started_at if process else None,
        "message": _message(server),
        "plan": StartPlan(
            ctx_size=launch.ctx_size,
            parallel=launch.parallel,
            n_gpu_layers=launch.n_gpu_layers,
            argv=command.argv,
            ignored=command.ignored,
            memory=memory_taken(process.output.memory.planned) if process else [],
        )
        if launch and command
        else None,
        "actual": server.actual,
        "error": WireError.of(why) if why else None,
        "warning": server.warning,
        "restarts": server.restarts,
        "default": server.is_default,
    }


def info_of(server: Server) -> ServerInfo:
    """The server."""
    return ServerInfo(**members_of(server))


def details_of(server: Server) -> ServerDetails:
    """The server, and how to reach it past the sidecar."""
    run = server.engine_run
    socket = run.endpoint.socket_path if run else None
    return ServerDetails(
        **members_of(server),
        api_key=run.api_key if run else None,
        socket_path=str(socket) if socket is not None else None,
    )


def _message(server: Server) -> str:
    if server.state == "failed" and server.failure is not None:
        return server.failure.message
    if server.crash is not None:
        return f"{_MESSAGES[server.state]} It is being started again: {server.crash.message}"
    return _MESSAGES[server.state]


def why_not_ready(server: Server) -> ServerNotRunning:
    """Why a message cannot be sent."""
    if server.state == "failed" and server.failure is not None:
        return ServerNotRunning(
            f"The server {server.server_id!r} has failed: {server.failure.message}",
            hint="Start it again with restart_server.",
        )
    if server.crash is not None:
        return ServerNotRunning(
            f"The server {server.server_id!r} is being started again, and is {server.state}: {server.crash.message}",
            hint="Send it again once the server is ready: list_servers and the topic servers show it.",
        )
    return ServerNotRunning(f"The server {server.server_id!r} is not ready; its state is {server.state}.")
