"""All servers, side by side under their ids.

Owns which servers there are. What each of them does is its own business (`server`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from weakref import WeakSet

import anyio
import anyio.abc

from sidecar.contract.config import EnginesConfig
from sidecar.contract.errors import Cancelled, ServerAlreadyRunning, ServerNotRunning
from sidecar.contract.servers import DEFAULT_SERVER_ID, ServerInfo, ServerSettings
from sidecar.engines.lifecycle.engine_run import Plan, ReadGpus
from sidecar.host.hardware import EngineProcess
from sidecar.logs.store import LogStore
from sidecar.servers.server import MakeRoom, Replaced, Server

LAST_GRACE_SECONDS = 1.0
"""How long engines may take to end when the sidecar itself does, whatever the config says: nothing is to be left of us
after 2 s, and to kill what has not ended by then takes a moment, too."""

Listener = Callable[[str, ServerInfo | None], None]
"""Called with a server's id and its new state; `None` when it is gone from the list."""


class ServerManager:
    """The servers."""

    def __init__(
        self,
        *,
        logs: LogStore,
        runtime_dir: Path,
        config: Callable[[], EnginesConfig],
        read_gpus: ReadGpus | None = None,
    ) -> None:
        self._logs = logs
        self._runtime_dir = runtime_dir
        self._config = config
        self._read_gpus = read_gpus
        self._make_room: MakeRoom | None = None
        self._replaced: Replaced | None = None
        self._servers: dict[str, Server] = {}
        self._dismissed: WeakSet[Server] = WeakSet()
        self._replacements: dict[str, list[anyio.Event]] = {}
        self._listeners: list[Listener] = []
        self._tasks: anyio.abc.TaskGroup

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Let servers run; on leaving, all are stopped."""
        async with anyio.create_task_group() as self._tasks:
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    async with anyio.create_task_group() as stopping:
                        for server in self._servers.values():
                            stopping.start_soon(partial(server.stop, grace_seconds=LAST_GRACE_SECONDS))

    def ask(self, *, make_room: MakeRoom | None = None, replaced: Replaced | None = None) -> None:
        """Have these asked by servers that start from now on: before each start of an engine, and when the first has
        failed."""
        self._make_room, self._replaced = make_room, replaced

    def start(self, server_id: str, settings: ServerSettings, plan: Plan) -> Server:
        """Begin to start a server.

        Raises:
            ServerAlreadyRunning: a server of this id is starting, running or stopping.
        """
        current = self._servers.get(server_id)
        if current is not None and current.state not in ("failed", "stopped"):
            raise ServerAlreadyRunning(f"The server {server_id!r} is {current.state}.")
        server = Server(
            server_id,
            settings,
            plan,
            logs=self._logs,
            runtime_dir=self._runtime_dir,
            config=self._config(),
            on_change=self._changed,
            read_gpus=self._read_gpus,
            make_room=self._make_room,
            replaced=self._replaced,
        )
        self._servers.pop(server_id, None)  # its place is that of its start
        self._servers[server_id] = server
        self._tasks.start_soon(server.run)
        return server

    async def stop(self, server: Server) -> None:
        """Stop a server and take it off the list; returns when its process is gone. Another one that has taken its
        place meanwhile is left alone."""
        self._dismissed.add(server)
        await server.stop()
        if self._servers.get(server.server_id) is server:
            del self._servers[server.server_id]
            for listener in list(self._listeners):
                listener(server.server_id, None)

    @asynccontextmanager
    async def replacing(self, server: Server, settings: ServerSettings, plan: Plan) -> AsyncIterator[Server]:
        """Stop a server and begin to start one of the same id. Whoever chooses it meanwhile waits until this is left,
        so leave it when the new one is ready, or will not be.

        Raises:
            Cancelled: somebody wants it stopped, and gets what they want.
            ServerAlreadyRunning: somebody else was faster.
        """
        over, server_id = anyio.Event(), server.server_id
        self._replacements.setdefault(server_id, []).append(over)
        server.superseded = True
        try:
            await server.stop()
            if server in self._dismissed:
                raise Cancelled(f"The server {server_id!r} was stopped.")
            yield self.start(server_id, settings, plan)
        finally:
            self._replacements[server_id].remove(over)
            if not self._replacements[server_id]:
                del self._replacements[server_id]
            over.set()

    def get(self, server_id: str) -> Server:
        """A server, in whatever state.

        Raises:
            ServerNotRunning: there is none of this id.
        """
        if server_id not in self._servers:
            raise ServerNotRunning(f"There is no server {server_id!r}.")
        return self._servers[server_id]

    def find(self, server_id: str) -> Server | None:
        """A server, or `None`."""
        return self._servers.get(server_id)

    async def choose(self, server_id: str | None, remembered: str | None) -> Server:
        """The server for a message: the one named, else the session's, else "default", else the only one that is ready
        or asleep. Where it is being replaced, the new one, once that is ready.

        A session's server that is there and not ready is not passed over: another one has another model.

        Raises:
            ServerNotRunning: it is not ready, or there is none.
        """
        # Bounded as a stop and a start are. When one is over, another one may have begun.
        while replacements := self._replacements.get(name := self._meant(server_id, remembered)):
            await replacements[0].wait()
        server = self.get(name)
        server.check_usable()
        return server

    def _meant(self, server_id: str | None, remembered: str | None) -> str:
        """The id of the server for a message.

        Raises:
            ServerNotRunning: it could be one or another.
        """
        if name := server_id or (remembered if remembered in self._servers else None):
            return name
        usable = [name for name, server in self._servers.items() if server.is_usable or name in self._replacements]
        if DEFAULT_SERVER_ID in usable or not usable:
            return DEFAULT_SERVER_ID
        if len(usable) > 1:
            raise ServerNotRunning(
                f"There is no server {DEFAULT_SERVER_ID!r}, and {len(usable)} others are ready.",
                hint=f"Name one with server_id: {', '.join(usable)}.",
            )
        return usable[0]

    def infos(self) -> list[ServerInfo]:
        """Every server, in the order of their starts."""
        return [server.info() for server in self._servers.values()]

    def all(self) -> list[Server]:
        """Every server."""
        return list(self._servers.values())

    def processes(self) -> list[EngineProcess]:
        """The engines that have a process."""
        return [
            EngineProcess(server_id, server.pid)
            for server_id, server in self._servers.items()
            if server.pid is not None
        ]

    def running_from(self, folder: Path) -> list[str]:
        """The ids of the servers whose engine's program is in a folder."""
        return [
            server.server_id
            for server in self._servers.values()
            if server.launch is not None
            and server.state not in ("failed", "stopped")
            and Path(server.launch.engine.path).is_relative_to(folder)
        ]

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Be told of each change; returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _changed(self, server: Server) -> None:
        info = server.info()
        for listener in list(self._listeners):
            listener(server.server_id, info)
