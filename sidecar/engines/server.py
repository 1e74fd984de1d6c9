"""One server: an engine with a model, from the plan to the end.

Owns the server's state. One task (`run`) is the only writer; everybody else asks it to stop and reads what it
last wrote. Knows nothing of sessions or of how a plan is made.
"""

from __future__ import annotations

import logging
import os
import secrets
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Never

import anyio

from sidecar.channels import EventLog
from sidecar.contract import CancelledEvent, ErrorEvent, WireError
from sidecar.contract.errors import Cancelled, ServerNotRunning, SidecarError
from sidecar.contract.servers import (
    ServerDetails,
    ServerInfo,
    ServerSettings,
    ServerState,
    StartActual,
    StartDone,
    StartLoading,
    StartPlanning,
    StartQueued,
    StartStarting,
    StartWarming,
)
from sidecar.engines import server_info
from sidecar.engines.failures import crashed, hung_up
from sidecar.engines.launch import API_KEY_VARIABLE, LOOPBACK, Command, Endpoint, Launch
from sidecar.engines.link import EngineLink
from sidecar.engines.process import EngineProcess
from sidecar.engines.startup import Startup
from sidecar.logs.defects import internal_error
from sidecar.logs.store import LogStore

logger = logging.getLogger(__name__)

CRASH_NOTICE_SECONDS = 2.0
"""How long a broken connection waits for the process to turn out to have ended."""

MAX_SOCKET_PATH_BYTES = 100
"""A socket's path has room for 104 bytes on macOS and for 108 on Linux (sun_path)."""

Plan = Callable[[ServerSettings], Awaitable[Launch]]
"""Makes every choice of a start: engine, model, settings. Raises SidecarError where that is not possible."""


class Server:
    """A server, started once; a restart is a new one.

    Attributes:
        settings: what it was asked to run with.
        events: its start, for channels.
        state: how far it is. Reading it is always fine; only `run` writes it.
        launch, command, endpoint, process, link, actual: what is known by then, else `None`.
        port: the TCP port it listens on, or was told to.
        failure: why it ended; `Cancelled` where it was stopped.
    """

    def __init__(
        self,
        server_id: str,
        settings: ServerSettings,
        plan: Plan,
        *,
        logs: LogStore,
        runtime_dir: Path,
        start_timeout_seconds: float,
        stop_grace_seconds: float,
        on_change: Callable[[Server], None],
    ) -> None:
        self.server_id = server_id
        self.settings = settings
        self.events = EventLog()
        self.state: ServerState = "queued"
        self.launch: Launch | None = None
        self.command: Command | None = None
        self.endpoint: Endpoint | None = None
        self.port: int | None = None
        self.process: EngineProcess | None = None
        self.link: EngineLink | None = None
        self.actual: StartActual | None = None
        self.failure: SidecarError | None = None
        self.api_key = secrets.token_hex(32)
        self._plan = plan
        self._source = logs.source(f"server:{server_id}")
        self._runtime_dir = runtime_dir
        self._start_timeout = start_timeout_seconds
        self._stop_grace = stop_grace_seconds
        self._on_change = on_change
        self._settled = anyio.Event()
        self._finished = anyio.Event()
        self._scope = anyio.CancelScope()

    # --- what others ask ---------------------------------------------------------------------------------

    async def started(self) -> ServerInfo:
        """Wait until the server is ready.

        Raises:
            SidecarError: why it did not become ready; `Cancelled` if it was stopped meanwhile.
        """
        await self._settled.wait()
        if self.failure is not None:
            raise self.failure
        return self.info()

    async def stop(self) -> None:
        """Stop the server in whatever state it is; returns when its process is gone."""
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._finished.wait()

    def ready_link(self) -> EngineLink:
        """The way to the engine.

        Raises:
            ServerNotRunning: the server is not ready.
        """
        if self.state == "ready" and self.link is not None:
            return self.link
        if self.state == "failed" and self.failure is not None:
            raise ServerNotRunning(
                f"The server {self.server_id!r} has failed: {self.failure.message}",
                hint="Start it again with restart_server.",
            )
        raise ServerNotRunning(f"The server {self.server_id!r} is not ready; its state is {self.state}.")

    async def explain_broken_connection(self) -> SidecarError:
        """Why the engine hung up: it crashed, was stopped, or only the connection broke."""
        if self.process is not None:
            with anyio.move_on_after(CRASH_NOTICE_SECONDS):
                await self.process.ended.wait()
                await self._finished.wait()
        if self.failure is not None and not isinstance(self.failure, Cancelled):
            return self.failure
        if self.state in ("stopping", "stopped"):
            return ServerNotRunning(f"The server {self.server_id!r} was stopped.")
        return hung_up(self.process)

    @property
    def pid(self) -> int | None:
        """Process id of the engine while it runs."""
        return self.process.pid if self.process is not None and self.process.exit_code is None else None

    def info(self) -> ServerInfo:
        """The server as hosts see it."""
        return server_info.info_of(self)

    def details(self) -> ServerDetails:
        """The server and how to reach it past the sidecar."""
        return server_info.details_of(self)

    # --- the owner task ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Bring the server up and see it through to its end. Runs once."""
        failure: SidecarError = Cancelled(f"The server {self.server_id!r} was stopped.")
        try:
            with self._scope:
                await self._live()
        except SidecarError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - a defect of ours must not take the other servers along
            failure = internal_error(error)
        finally:
            with anyio.CancelScope(shield=True):
                await self._end(failure)

    async def _live(self) -> Never:
        self.events.append(StartQueued())
        self._set("planning")
        self.events.append(StartPlanning())
        self.launch = await self._plan(self.settings)
        self.endpoint = self._choose_endpoint(self.launch)
        self.port = self.endpoint.port or None
        self.command = self.launch.engine.command(self.launch, self.endpoint)
        logger.info("server %s: %s", self.server_id, shlex.join(self.command.argv))
        self._set("starting")
        # `command` is shown to hosts, so the key stands in a copy only.
        command = replace(self.command, env={**self.command.env, API_KEY_VARIABLE: self.api_key})
        # Once there is a process nothing is cancelled before the assignment: there is none that nobody knows of.
        process = self.process = await EngineProcess.start(command, self._source)
        self.events.append(StartStarting(pid=process.pid))
        self._set("loading")
        startup = Startup(
            self.launch.engine.name,
            process,
            self.endpoint,
            self.api_key,
            tell=self._tell,
            timeout_seconds=self._start_timeout,
        )
        self.link = await startup.until_ready()
        self.port = startup.port
        self.actual = await startup.ask_what_it_is(self.link)
        self._set("ready")
        self.events.append(StartDone(**server_info.members_of(self)))
        self._settled.set()
        # A ready engine ends by itself only when it crashes.
        await process.ended.wait()
        raise crashed(process)

    async def _end(self, failure: SidecarError) -> None:
        self.failure = failure
        stopped = isinstance(failure, Cancelled)
        if not stopped:
            logger.warning("server %s: %s", self.server_id, failure.message)
        try:
            if self.process is not None:
                self._set("stopping")  # before the link is closed: nobody is given a closed one
                await self._take_down(self.process)
        except Exception as error:  # noqa: BLE001 - whoever waits for the end must not wait for ever
            internal_error(error)
        self._set("stopped" if stopped else "failed")
        if not self.events.closed:
            self.events.append(CancelledEvent() if stopped else ErrorEvent(error=WireError.of(failure)))
        self._settled.set()
        self._finished.set()

    async def _take_down(self, process: EngineProcess) -> None:
        try:
            if self.link is not None:
                await self.link.close()
        finally:
            await process.stop(grace_seconds=self._stop_grace)
        if self.endpoint is not None and self.endpoint.socket_path is not None:
            self.endpoint.socket_path.unlink(missing_ok=True)

    # --- pieces of it ------------------------------------------------------------------------------------

    def _choose_endpoint(self, launch: Launch) -> Endpoint:
        settings = launch.settings
        if settings.port is not None or settings.host is not None:
            return Endpoint(host=settings.host or LOOPBACK, port=settings.port or 0)
        socket_path = self._runtime_dir / f"{secrets.token_hex(4)}.sock"
        if launch.engine.unix_socket and len(os.fsencode(socket_path)) <= MAX_SOCKET_PATH_BYTES:
            return Endpoint(socket_path=socket_path)
        return Endpoint()

    def _tell(self, event: StartLoading | StartWarming) -> None:
        if isinstance(event, StartWarming):
            self._set("warming")
        self.events.append(event, replaces=True)

    def _set(self, state: ServerState) -> None:
        self.state = state
        try:
            self._on_change(self)
        except Exception as error:  # noqa: BLE001 - as in `run`: who is told does not decide how a server ends
            internal_error(error)
