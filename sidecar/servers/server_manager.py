"""All servers: started, stopped and replaced side by side under their ids.

The only writer of which servers exist. Each server owns its own state (`server`); `server_table` decides which one
answers a message.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from weakref import WeakSet

import anyio
import anyio.abc

from sidecar.builds.service import Builds
from sidecar.contract.errors import Cancelled, EngineInUse, ServerAlreadyRunning
from sidecar.contract.server_settings import ServerSettings
from sidecar.contract.servers import ServerInfo
from sidecar.host.gpus import GpuReader
from sidecar.host.hardware import EngineProcess
from sidecar.logs.store import LogStore
from sidecar.servers.eviction import MemoryBudget
from sidecar.servers.memory.estimates import MemoryEstimates
from sidecar.servers.memory.watch import MemoryWatch
from sidecar.servers.server import Server, StartServices
from sidecar.servers.server_table import ServerTable
from sidecar.servers.start_planner import StartPlanner
from sidecar.storage.config import ConfigFile

LAST_GRACE_SECONDS = 1.0
"""How long engines may take to end when the sidecar itself ends, whatever the config says: every process must be gone
after 2 s, and to kill those that are left takes time as well."""


class ServerManager(ServerTable[Server]):
    """The servers. Its arguments are described in `StartServices`."""

    def __init__(
        self,
        *,
        config: ConfigFile,
        planner: StartPlanner,
        memory: MemoryEstimates,
        logs: LogStore,
        runtime_dir: Path,
        builds: Builds | None = None,
        gpus: GpuReader | None = None,
    ) -> None:
        super().__init__()
        self._planner = planner
        self._watch = MemoryWatch(memory)
        self._services = StartServices(
            planner=planner,
            budget=MemoryBudget(self.servers, config=config, memory=memory),
            memory=memory,
            watch=self._watch,
            builds=builds,
            gpus=gpus,
            logs=logs,
            runtime_dir=runtime_dir,
            config=config,
        )
        self._dismissed: WeakSet[Server] = WeakSet()
        self._tasks: anyio.abc.TaskGroup

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run the servers' tasks; on exit, all servers are stopped."""
        async with anyio.create_task_group() as watching:
            watching.start_soon(self._watch.run)
            async with anyio.create_task_group() as self._tasks:
                try:
                    yield
                finally:
                    with anyio.CancelScope(shield=True):
                        async with anyio.create_task_group() as stopping:
                            for server in self.servers.values():
                                stopping.start_soon(partial(server.stop, grace_seconds=LAST_GRACE_SECONDS))
            watching.cancel_scope.cancel()

    def start(self, server_id: str, settings: ServerSettings) -> Server:
        """Begin to start a server: its task plans, makes room, spawns the engine and waits until it is ready.

        Raises:
            ServerAlreadyRunning: a server of this id is starting, running or stopping.
        """
        current = self.servers.get(server_id)
        if current is not None and current.state not in ("failed", "stopped"):
            raise ServerAlreadyRunning(f"The server {server_id!r} is {current.state}.")
        server = Server(server_id, settings, table=self, services=self._services)
        self.servers.pop(server_id, None)  # servers are listed in the order of their starts
        self.servers[server_id] = server
        self._tasks.start_soon(server.run)
        return server

    async def until_ready(self, server: Server) -> ServerInfo:
        """Wait until a server that was started is ready. If this wait is cancelled, the server is stopped: a cancelled
        start leaves no process.

        Raises:
            SidecarError: why it did not become ready; `Cancelled` if it was stopped first.
        """
        try:
            info = await server.started()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self.stop(server)
            raise Cancelled("The start was cancelled.") from None
        if server.launch is not None:
            await self._planner.remember(server.launch)
        return info

    async def stop(self, server: Server) -> None:
        """Stop a server and remove it from the table; returns when its process is gone. A server that has replaced it
        under its id in the meantime is left alone."""
        self._dismissed.add(server)
        await server.stop()
        if self.servers.get(server.server_id) is server:
            del self.servers[server.server_id]
            self.removed(server.server_id)

    @asynccontextmanager
    async def replacing(self, server: Server, settings: ServerSettings) -> AsyncIterator[Server]:
        """Stop a server and begin to start one of the same id. Messages for that id wait until the context exits, so
        exit when the new server is ready or has failed.

        Raises:
            Cancelled: another request stopped the server, which takes precedence.
            ServerAlreadyRunning: another replacement was faster.
        """
        over = self.begin_replacing(server.server_id)
        server.superseded = True
        try:
            await server.stop()
            if server in self._dismissed:
                raise Cancelled(f"The server {server.server_id!r} was stopped.")
            yield self.start(server.server_id, settings)
        finally:
            self.end_replacing(server.server_id, over)

    def processes(self) -> list[EngineProcess]:
        """The engines that have a process."""
        return [
            EngineProcess(server_id, server.pid) for server_id, server in self.servers.items() if server.pid is not None
        ]

    def loaded_files(self) -> list[tuple[str, Path]]:
        """The files that engines use, each with its server's id."""
        return [
            (server.server_id, Path(path))
            for server in self.servers.values()
            if (launch := server.launch) is not None and server.state not in ("failed", "stopped")
            for path in (launch.model_path, launch.settings.mmproj_path, *(launch.settings.lora or ()))
            if path is not None
        ]

    def check_unused(self, build: str, folder: Path) -> None:
        """Check that no server runs an engine from a folder.

        Raises:
            EngineInUse: one does.
        """
        names = [
            server.server_id
            for server in self.servers.values()
            if server.launch is not None
            and server.state not in ("failed", "stopped")
            and Path(server.launch.engine.path).is_relative_to(folder)
        ]
        if names:
            raise EngineInUse(f"The build {build} is used by the server {', '.join(names)}.", server_id=names[0])
