"""One server: an engine with a model, from the plan to the end; where it crashes or sleeps, one run after the other.

Owns the server's task (`run`), which starts engines and is the only writer of the server's state; its table of states
stands in `server_state`. Everything else asks the task to stop, to wake or to sleep. Knows nothing of sessions.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import msgspec

from sidecar.builds.service import Builds
from sidecar.contract import CancelledEvent, ErrorEvent, WireError
from sidecar.contract.errors import Cancelled, QueueFull, ServerNotRunning, SidecarError
from sidecar.contract.servers import (
    ServerInfo,
    ServerSettings,
    StartDone,
    StartLoading,
    StartPlanning,
    StartQueued,
    StartStarting,
    StartWarming,
)
from sidecar.engines.client.engine_client import EngineGone
from sidecar.engines.launch import Launch
from sidecar.engines.lifecycle.engine_errors import after_restarts, is_retryable
from sidecar.engines.lifecycle.engine_run import EngineRun
from sidecar.engines.lifecycle.loading import LoadStep
from sidecar.host.gpus import GpuReader
from sidecar.logs.defects import internal_error
from sidecar.logs.store import LogStore
from sidecar.processes.restart_policy import RestartPolicy
from sidecar.servers.eviction import MemoryBudget
from sidecar.servers.memory.estimates import MemoryEstimates
from sidecar.servers.server_state import KnownServer
from sidecar.servers.server_table import ServerTable
from sidecar.servers.start_planner import StartPlanner
from sidecar.storage.config import ConfigFile

logger = logging.getLogger(__name__)

RUNS_REMEMBERED = 3
"""Engines of which it is known why they ended: a turn that was under way asks late where the disk is slow."""

OBSERVE_AFTER_SECONDS = 0.1
"""How long after it is ready what it took of memory is observed: its answer goes first to whoever has started it."""


class StartServices(msgspec.Struct, frozen=True, kw_only=True):
    """What every server works with.

    Attributes:
        builds: the managed builds, where there can be some.
        gpus: read where a model is not on the GPU as asked for.
        runtime_dir: the folder for sockets.
    """

    planner: StartPlanner
    budget: MemoryBudget
    memory: MemoryEstimates
    builds: Builds | None
    gpus: GpuReader | None
    logs: LogStore
    runtime_dir: Path
    config: ConfigFile


class Server(KnownServer):
    """A server, started once by a host. While it has not failed its engine is started again when it crashes."""

    def __init__(
        self, server_id: str, settings: ServerSettings, *, table: ServerTable[Server], services: StartServices
    ) -> None:
        config = services.config.config.engines
        super().__init__(server_id, settings, table=table, config=config)
        self._services = services
        self._config = config
        self._source = services.logs.source(f"server:{server_id}")
        self._runs: deque[EngineRun] = deque(maxlen=RUNS_REMEMBERED)
        self._policy: RestartPolicy | None = None
        self._stop_grace = config.stop_grace_seconds
        self._settled = anyio.Event()
        self._finished = anyio.Event()
        self._scope = anyio.CancelScope()

    # --- what others ask ---------------------------------------------------------------------------------

    async def started(self) -> ServerInfo:
        """Wait until the server is ready for the first time.

        Raises:
            SidecarError: why it did not become ready; `Cancelled` if it was stopped meanwhile.
        """
        await self._settled.wait()
        if self.failure is not None:
            raise self.failure
        return self.info()

    async def stop(self, *, grace_seconds: float | None = None) -> None:
        """Stop the server in whatever state it is; returns when its process is gone.

        Args:
            grace_seconds: how long the engine may take to end by itself, where that is less than the config's. It
                holds for a stop that is under way, too.
        """
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            if grace_seconds is not None and grace_seconds < self._stop_grace:
                self._stop_grace = grace_seconds
                if self.state == "stopping":
                    await self._end_run(Cancelled(self._was_stopped))
            await self._finished.wait()

    async def until_ready(self) -> AsyncIterator[StartLoading]:
        """Wake it where it sleeps, and wait while its engine is being started again, until that is decided; it ends
        immediately where it is neither. Whether it is ready then, `ready_client` says.

        Yields:
            How far the load is, whenever that has changed.

        Raises:
            QueueFull: it sleeps, and there is no room for its engine.
        """
        while self.asleep or self.crash is not None or (self.state == "stopping" and not self._scope.cancel_called):
            self._idle.wake()
            await self._changed.wait()
            if (why := self._idle.no_room) is not None:
                raise QueueFull(why.message, hint=why.hint, remedies=why.remedies)  # for each an error of its own
            if self.state == "loading" and self._loading is not None:
                yield self._loading

    async def sleep(self) -> bool:
        """Let the engine end, if it works on nothing; returns when its memory is free: whether it is."""
        client = self.client
        if self.state != "ready" or client is None or not await self._idle.unload(client):
            return False
        while self.asleep and self.state in ("ready", "stopping"):
            await self._changed.wait()
        return self.asleep

    async def explain_broken_connection(self, broken: EngineGone) -> SidecarError:
        """Why an engine hung up: it crashed, was stopped, or only the connection broke. It need not be the present
        engine; what has become of the server since then does not matter."""
        run = next((run for run in self._runs if run.client is broken.client), self._runs[-1])
        error = await run.explain()
        return ServerNotRunning(self._was_stopped) if isinstance(error, Cancelled) else error

    # --- the owner task ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Bring the server up and keep it up to its end. Runs once."""
        self.events.append(StartQueued())
        failure: SidecarError = Cancelled(self._was_stopped)
        try:
            with self._scope:
                failure = await self._run_engines()
        finally:
            self._finish(failure)

    async def _run_engines(self) -> SidecarError:
        """One engine after the other; returns why no other one follows."""
        settings = self.settings
        while True:
            reason, pause = await self._run_engine(settings)
            settings = self.settings_again
            if pause is not None:
                self._enter("queued")
                await anyio.sleep(pause)
            elif self.asleep and isinstance(reason, Cancelled | QueueFull):
                if isinstance(reason, QueueFull):
                    self._idle.sleep_on(reason)
                self._enter("sleeping")
                await self._idle.until_needed()
                self._enter("queued")
            elif await self._has_other_build(reason):
                self.launch = self.command = None
                settings = self.settings
            else:
                return reason

    async def _start(self, settings: ServerSettings) -> EngineRun:
        """Start an engine: a first one, one that follows a crash or a sleep, and one of another build alike.

        Raises:
            SidecarError: why it does not become ready.
        """
        services = self._services
        self.engine_run = None
        self._enter("planning")
        self._report(StartPlanning())
        launch = await services.planner.plan(settings)

        if any(other.is_loaded for other in self._table.all() if other is not self):  # else there is room
            await services.budget.make_room(self.server_id, launch)

        run = self._new_run(launch)
        self._enter("starting")
        process = await run.spawn()

        self._report(StartStarting(pid=process.pid))
        self._enter("loading")
        async for step in run.load():
            self._report(step)
        return run

    def _new_run(self, launch: Launch) -> EngineRun:
        services = self._services
        run = self.engine_run = EngineRun(
            launch, source=self._source, runtime_dir=services.runtime_dir, config=self._config, gpus=services.gpus
        )
        self._runs.append(run)
        self.launch, self.command = launch, run.command
        return run

    async def _run_engine(self, settings: ServerSettings) -> tuple[SidecarError, float | None]:
        """Start an engine and wait for its end; returns why it ended, and the pause before the next if there is one."""
        reason: SidecarError = Cancelled(self._was_stopped)
        pause: float | None = None
        try:
            run = await self._start(settings)
            self._be_ready(run)
            reason = await self._until_over_or_asleep(run)
        except SidecarError as error:
            reason = error
        except Exception as error:  # noqa: BLE001 - a defect of ours must not take the other servers along
            reason = internal_error(error)
        finally:
            if not isinstance(reason, Cancelled):
                logger.warning("server %s: %s", self.server_id, reason.message)
                pause = self._pause_after(reason)
            self.crash = reason if pause is not None else None
            with anyio.CancelScope(shield=True):
                if self.engine_run is not None and self.engine_run.process is not None:
                    self._enter("stopping")  # before the client is closed: no closed one is handed out
                await self._end_run(reason)
        return reason, pause

    def _pause_after(self, reason: SidecarError) -> float | None:
        """The pause before the restart that follows an end; `None` where none does."""
        # A first start that fails is reported, and whoever asked for it decides. What found no room was no start.
        if not self._settled.is_set() or isinstance(reason, QueueFull):
            return None
        self._policy = self._policy or RestartPolicy(self._config.max_restarts)
        ready_seconds = self.engine_run.ready_seconds if self.engine_run is not None else 0.0
        pause = self._policy.pause_after(ready_seconds, retryable=is_retryable(reason))
        self.restarts = self._policy.count
        return pause

    async def _until_over_or_asleep(self, run: EngineRun) -> SidecarError:
        """Wait until a ready engine ends by itself, stands still, or is to sleep; returns why it is over."""
        client = self.ready_client()
        reason: SidecarError = Cancelled(f"The server {self.server_id!r} sleeps.")
        async with anyio.create_task_group() as tasks:

            async def until_unloading() -> None:
                await self._idle.until_unloading(client)
                tasks.cancel_scope.cancel()

            tasks.start_soon(until_unloading)
            tasks.start_soon(self._observe, run)
            reason = await run.until_over()
            tasks.cancel_scope.cancel()
        return reason

    async def _observe(self, run: EngineRun) -> None:
        await anyio.sleep(OBSERVE_AFTER_SECONDS)
        if run.process is None:
            return
        try:
            await self._services.memory.observe(run.launch, run.process.output.memory, run.process.pid)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not end an engine that is well
            internal_error(error)

    async def _has_other_build(self, reason: SidecarError) -> bool:
        """Whether the first start, which has failed, is worth another try with another build."""
        builds = self._services.builds
        if self._settled.is_set() or builds is None or self.launch is None:
            return False
        self._enter("queued")
        return await builds.replaced(self.launch, reason)

    def _be_ready(self, run: EngineRun) -> None:
        self.actual, self.warning, self.crash = run.actual, run.warning, None
        self._idle.end()
        self._enter("ready")
        if not self.events.closed:
            self.events.append(StartDone(**self._members()))
            self._settled.set()

    async def _end_run(self, reason: SidecarError) -> None:
        if self.engine_run is None:
            return
        try:
            await self.engine_run.end(reason, grace_seconds=self._stop_grace)
        except Exception as error:  # noqa: BLE001 - whoever waits for the end must not wait without end
            internal_error(error)

    def _finish(self, failure: SidecarError) -> None:
        stopped = isinstance(failure, Cancelled)
        if not stopped and self.restarts:
            failure = after_restarts(failure, self.restarts)
        self.failure, self.crash = failure, None
        self._idle.end()
        self._enter("stopped" if stopped else "failed")
        if not self.events.closed:
            self.events.append(CancelledEvent() if stopped else ErrorEvent(error=WireError.of(failure)))
        self._settled.set()
        self._finished.set()

    # --- pieces of it ------------------------------------------------------------------------------------

    @property
    def _was_stopped(self) -> str:
        return f"The server {self.server_id!r} was stopped."

    def _report(self, step: StartPlanning | StartStarting | LoadStep) -> None:
        if isinstance(step, StartWarming):
            self._enter("warming")
        elif self.events.closed:
            self._loading = step if isinstance(step, StartLoading) else None
            self._notify()
        if not self.events.closed:  # they are those of the first start
            self.events.append(step)
