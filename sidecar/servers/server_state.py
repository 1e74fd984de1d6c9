"""The state of a server, as its task writes it and as all other code reads it.

Reading is always allowed. The only writer is the server's task (`server`), except where noted.

    state      means                             is followed by
    queued     waiting for a start               planning
    planning   choosing, checking, making room   starting; after a refusal sleeping, queued, failed
    starting   the process is being spawned      loading
    loading    the model is being read           warming, ready
    warming    the first empty run               ready
    ready      it answers                        stopping
    stopping   the process is being ended        queued (restart, other build), sleeping, failed, stopped
    sleeping   no engine until it is needed      queued
    failed     final: it ended by itself
    stopped    final: it was stopped

A stop leads from every state to stopping, if there is a process, and then to stopped.
"""

from __future__ import annotations

from typing import Any

import anyio

from sidecar.contract import WireError
from sidecar.contract.config import EnginesConfig
from sidecar.contract.errors import ServerNotRunning, SidecarError
from sidecar.contract.remedies import RETRY, call
from sidecar.contract.server_settings import ServerSettings
from sidecar.contract.servers import (
    ServerDetails,
    ServerInfo,
    ServerState,
    StartActual,
    StartLoading,
    StartPlan,
    StartWarning,
)
from sidecar.engines.client.engine_client import EngineClient
from sidecar.engines.launch import EngineCommand, Launch
from sidecar.engines.lifecycle.engine_run import EngineRun
from sidecar.engines.lifecycle.loading import memory_taken
from sidecar.engines.template_facts import TemplateFacts
from sidecar.events.event_log import EventLog
from sidecar.servers.idle_unloader import IdleUnloader
from sidecar.servers.server_table import ServerTable

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

_LOADED: frozenset[ServerState] = frozenset({"starting", "loading", "warming", "ready", "stopping"})


class KnownServer:
    """The readable part of a server.

    Attributes:
        settings: the settings as requested.
        events: its first start, for channels.
        state: see the table above.
        crash: why its engine is being restarted; `None` if it is not.
        failure: why it ended; `Cancelled` if it was stopped.
        engine_run: the present engine, or the last; `None` until one has been spawned.
        launch, command, actual, template, warning: of that engine; during a restart, of the one before.
        restarts: how often its engine was restarted after a crash.
        superseded: another server replaces it and answers the messages that wait for it; the manager writes this.
    """

    def __init__(
        self, server_id: str, settings: ServerSettings, *, table: ServerTable[Any], config: EnginesConfig
    ) -> None:
        self.server_id = server_id
        self.settings = settings
        self.events = EventLog()
        self.state: ServerState = "queued"
        self.crash: SidecarError | None = None
        self.failure: SidecarError | None = None
        self.engine_run: EngineRun | None = None
        self.launch: Launch | None = None
        self.command: EngineCommand | None = None
        self.actual: StartActual | None = None
        self.template = TemplateFacts()
        self.warning: StartWarning | None = None
        self.restarts = 0
        self.superseded = False
        self._table = table
        self._idle = IdleUnloader(settings, config.idle_unload_minutes)
        self._loading: StartLoading | None = None
        self._changed = anyio.Event()

    @property
    def asleep(self) -> bool:
        """Whether it has no engine until one is needed, or that one is being started."""
        return self._idle.asleep

    @property
    def is_starting(self) -> bool:
        """Whether its first start is under way: it will be ready, or has failed, within the timeouts of a start."""
        return not self.events.closed and self.state not in ("stopping", "stopped", "failed")

    @property
    def is_usable(self) -> bool:
        """Whether it is ready, or will be once it is woken."""
        return self.asleep or self.state == "ready"

    @property
    def is_loaded(self) -> bool:
        """Whether its engine holds memory, or is about to."""
        return self.state in _LOADED

    @property
    def is_default(self) -> bool:
        """Whether messages that name no server go to this one."""
        return self._table.default_id == self.server_id

    @property
    def client(self) -> EngineClient | None:
        """The client of its engine, in any state; `None` before there is one."""
        return self.engine_run.client if self.engine_run is not None else None

    @property
    def last_used_at(self) -> float:
        """When its engine was last used, on the monotonic clock; 0 if there is none."""
        return self.client.last_used_at if self.client is not None else 0.0

    @property
    def pid(self) -> int | None:
        """Process id of the engine while it runs."""
        return self.engine_run.pid if self.engine_run is not None else None

    @property
    def settings_again(self) -> ServerSettings:
        """The settings for a restart with the same choices."""
        return self.settings if self.launch is None else self.launch.again()

    def ready_client(self) -> EngineClient:
        """The client of its engine, for requests.

        Raises:
            ServerNotRunning: the server is not ready.
        """
        client = self.client
        if self.state == "ready" and client is not None and not self.asleep:
            return client
        if self.state == "failed" and self.failure is not None:
            raise ServerNotRunning(
                f"The server {self.server_id!r} has failed: {self.failure.message}",
                hint="Restart it.",
                remedies=(call("restart_server", server_id=self.server_id),),
            )
        if self.crash is not None:
            raise ServerNotRunning(
                f"The server {self.server_id!r} is being restarted, and is {self.state}: {self.crash.message}",
                hint="Send it again once the server is ready.",
                remedies=(RETRY, call("list_servers")),
            )
        raise ServerNotRunning(f"The server {self.server_id!r} is not ready; its state is {self.state}.")

    def check_usable(self) -> None:
        """Check that a message can be sent to it: it is ready, or will be once it is woken or has started.

        Raises:
            ServerNotRunning: why not.
        """
        if not self.asleep and not self.is_starting:
            self.ready_client()

    def info(self) -> ServerInfo:
        """The server as hosts see it."""
        return ServerInfo(**self._members())

    def details(self) -> ServerDetails:
        """The server, and how to reach its engine directly."""
        run = self.engine_run
        socket = run.endpoint.socket_path if run else None
        return ServerDetails(
            **self._members(),
            api_key=run.api_key if run else None,
            socket_path=str(socket) if socket is not None else None,
        )

    def _members(self) -> dict[str, Any]:
        """The members of ServerInfo, which `ServerDetails` and `StartDone` share."""
        launch, command, run = self.launch, self.command, self.engine_run
        process = run.process if run else None
        port = run.port if run else None
        why = self.failure if self.state == "failed" else self.crash
        return {
            "server_id": self.server_id,
            "state": self.state,
            "engine": launch.engine.name if launch else None,
            "model": launch.model_name if launch else None,
            "model_path": str(launch.model_path) if launch else None,
            "pid": run.pid if run else None,
            "port": port,
            "base_url": run.endpoint.base_url(port) if run and port else None,
            "ctx_size": launch.ctx_size if launch else None,
            "parallel": launch.parallel if launch else None,
            "n_gpu_layers": launch.n_gpu_layers if launch else None,
            "started_at": process.started_at if process else None,
            "message": self._message(),
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
            "actual": self.actual,
            "error": WireError.of(why) if why else None,
            "warning": self.warning,
            "restarts": self.restarts,
            "default": self.is_default,
        }

    def _message(self) -> str:
        if self.state == "failed" and self.failure is not None:
            return self.failure.message
        if self.crash is not None:
            return f"{_MESSAGES[self.state]} It is being restarted: {self.crash.message}"
        return _MESSAGES[self.state]

    def _enter(self, state: ServerState) -> None:
        self.state = state
        self._notify()
        self._table.publish(self.server_id)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
