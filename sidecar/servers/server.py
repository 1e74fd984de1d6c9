"""One server: an engine with a model, from the plan to the end, over crashes and sleeps.

Owns the server's task (`run`), which starts engines and is the only writer of the server's state; the table of states
is in `server_state`. All other code asks the task to stop, to wake or to sleep. Knows nothing of sessions.
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
from sidecar.contract.errors import Cancelled, Overloaded, QueueFull, ServerNotRunning, SidecarError
from sidecar.contract.server_settings import ServerSettings
from sidecar.contract.servers import (
    ServerInfo,
    ServerState,
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
from sidecar.host import limits
from sidecar.host.gpus import GpuReader
from sidecar.logs.defects import internal_error
from sidecar.logs.store import LogStore
from sidecar.processes.child import KILLED_SECONDS
from sidecar.processes.restart_policy import RestartPolicy
from sidecar.servers.eviction import MemoryBudget
from sidecar.servers.memory.estimates import MemoryEstimates
from sidecar.servers.memory.watch import MemoryWatch
from sidecar.servers.server_state import KnownServer
from sidecar.servers.server_table import ServerTable
from sidecar.servers.start_planner import StartPlanner
from sidecar.storage.config import ConfigFile

logger = logging.getLogger(__name__)

RUNS_REMEMBERED = 3
"""Engines whose reason for ending is kept: a turn that was under way asks for it late if the disk is slow."""

_LOADED_STATES: frozenset[ServerState] = frozenset({"loading", "warming", "ready"})
"""States in which the progress of the present load is known."""

SHORTAGE_PAUSE_SECONDS = 2.0
"""Before a restart that found no descriptor left; tried until the shortage has passed, or the server is stopped."""

OBSERVE_AFTER_SECONDS = 0.1
"""Delay from readiness to the measurement of memory, so that the caller gets the result of the start first."""


class StartServices(msgspec.Struct, frozen=True, kw_only=True):
    """What every server needs for its starts.

    Attributes:
        builds: the managed builds; `None` if this sidecar manages none.
        gpus: read when a model is not on the GPU as requested.
        runtime_dir: the folder for sockets.
    """

    planner: StartPlanner
    budget: MemoryBudget
    memory: MemoryEstimates
    watch: MemoryWatch
    builds: Builds | None
    gpus: GpuReader | None
    logs: LogStore
    runtime_dir: Path
    config: ConfigFile


class Server(KnownServer):
    """A server, started once by a host. Until it fails, its engine is restarted after each crash."""

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

    # --- requests ----------------------------------------------------------------------------------------

    async def started(self) -> ServerInfo:
        """Wait until the server is ready for the first time.

        Raises:
            SidecarError: why it did not become ready; `Cancelled` if it was stopped first.
        """
        await self._settled.wait()
        if self.failure is not None:
            raise self.failure
        return self.info()

    async def stop(self, *, grace_seconds: float | None = None) -> None:
        """Stop the server in any state; returns when its process is gone.

        Args:
            grace_seconds: how long the engine may take to end by itself, if that is less than the config's. It also
                applies to a stop that is under way.
        """
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            if grace_seconds is not None and grace_seconds < self._stop_grace:
                self._stop_grace = grace_seconds
                if self.state == "stopping":
                    await self._end_run(Cancelled(self._was_stopped))
            await self._finished.wait()

    async def until_ready(self) -> AsyncIterator[StartLoading]:
        """Wake the server if it sleeps, and wait until a start or restart has succeeded or failed. Returns immediately
        in every other state. `ready_client` says whether the server is ready then.

        Yields:
            The progress of the load, whenever it has changed.

        Raises:
            QueueFull: it sleeps, and there is no room for its engine.
        """
        shown: StartLoading | None = None
        while self._is_on_its_way:
            self._idle.wake()
            await self._changed.wait()
            if (why := self._idle.no_room) is not None:
                raise QueueFull(why.message, hint=why.hint, remedies=why.remedies)  # one exception for each waiter
            # Also when it is over: a load may take less time than this task to be woken.
            if self.state in _LOADED_STATES and self._loading is not None and self._loading is not shown:
                shown = self._loading
                yield shown

    @property
    def _is_on_its_way(self) -> bool:
        """Whether it is not ready and will be, unless its start fails."""
        is_between_runs = self.state == "stopping" and not self._scope.cancel_called
        return self.asleep or self.crash is not None or self.is_starting or is_between_runs

    async def sleep(self) -> bool:
        """Unload the engine if it is idle. Returns once its memory is free; False if it was not unloaded."""
        client = self.client
        if self.state != "ready" or client is None or not await self._idle.unload(client):
            return False
        while self.asleep and self.state in ("ready", "stopping"):
            await self._changed.wait()
        return self.asleep

    async def end_engine(self, reason: SidecarError) -> bool:
        """End the present engine, whatever it does; as after a crash, another one is started. Returns whether its
        process is gone, which a process that hangs in the kernel may never be."""
        run = self.engine_run
        if run is None or run.process is None:
            return True
        run.condemn(reason)
        with anyio.move_on_after(KILLED_SECONDS):
            await run.process.ended.wait()
        return run.process.ended.is_set()

    async def explain_broken_connection(self, broken: EngineGone) -> SidecarError:
        """Why an engine closed the connection: it crashed, was stopped, or only the connection broke. It may be an
        earlier engine of this server; the present state of the server does not matter."""
        run = next((run for run in self._runs if run.client is broken.client), self._runs[-1])
        error = await run.explain()
        return ServerNotRunning(self._was_stopped) if isinstance(error, Cancelled) else error

    # --- the owner task ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Start the server and keep it running until it stops or fails. Runs once."""
        self.events.append(StartQueued())
        failure: SidecarError = Cancelled(self._was_stopped)
        try:
            with self._scope:
                failure = await self._run_engines()
        finally:
            self._finish(failure)

    async def _run_engines(self) -> SidecarError:
        """Run one engine after the other; returns why none follows the last."""
        settings = self.settings
        while True:
            reason, pause = await self._run_engine(settings)
            settings = self.settings_again
            if pause is not None:
                self._enter("queued")
                await anyio.sleep(pause)
            elif self.asleep and isinstance(reason, Cancelled | QueueFull):
                if isinstance(reason, QueueFull):
                    self._idle.stay_asleep(reason)
                self._enter("sleeping")
                await self._idle.until_needed()
                self._enter("queued")
            elif await self._has_other_build(reason):
                self.launch = self.command = None
                settings = self.settings
            else:
                return reason

    async def _start(self, settings: ServerSettings) -> EngineRun:
        """Start an engine: the first one, and each that follows a crash, a sleep or a change of build.

        Raises:
            SidecarError: why it does not become ready.
        """
        services = self._services
        self.engine_run = None
        self._enter("planning")
        self._report(StartPlanning())
        launch = await services.planner.plan(settings)

        if any(other.is_loaded for other in self._table.all() if other is not self):  # else there is nothing to evict
            await services.budget.make_room(self.server_id, launch)

        run = self._new_run(launch)
        self._enter("starting")
        process = await run.spawn()
        services.watch.add(self.server_id, run)

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
        """Start an engine and wait for its end; returns why it ended, and the pause before a restart, if any."""
        reason: SidecarError = Cancelled(self._was_stopped)
        pause: float | None = None
        try:
            run = await self._start(settings)
            self._become_ready(run)
            reason = await self._until_over_or_asleep(run)
        except SidecarError as error:
            reason = error if isinstance(error, Cancelled) else limits.present_shortage() or error
        except Exception as error:  # noqa: BLE001 - a defect of ours must not end the other servers
            reason = limits.shortage(error) or internal_error(error)
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
        """The pause in seconds before the restart; `None` if no restart follows."""
        # A first start that fails is reported, and its caller decides. Without room there was no start to repeat.
        if not self._settled.is_set() or isinstance(reason, QueueFull):
            return None
        if isinstance(reason, Overloaded):  # of ours, not of the engine: it passes, and never fails the server
            return SHORTAGE_PAUSE_SECONDS
        self._policy = self._policy or RestartPolicy(self._config.max_restarts)
        ready_seconds = self.engine_run.ready_seconds if self.engine_run is not None else 0.0
        pause = self._policy.pause_after(ready_seconds, retryable=is_retryable(reason))
        self.restarts = self._policy.count
        return pause

    async def _until_over_or_asleep(self, run: EngineRun) -> SidecarError:
        """Wait until a ready engine ends by itself, hangs, or is to sleep; returns why it is over."""
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
        except Exception as error:  # noqa: BLE001 - a defect of ours must not end a healthy engine
            internal_error(error)

    async def _has_other_build(self, reason: SidecarError) -> bool:
        """Whether the first start, which has failed, can be tried again with another build."""
        builds = self._services.builds
        if self._settled.is_set() or builds is None or self.launch is None:
            return False
        self._enter("queued")
        return await builds.replaced(self.launch, reason)

    def _become_ready(self, run: EngineRun) -> None:
        self.actual, self.template = run.actual, run.template
        self.warning, self.crash = run.warning, None
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
        except Exception as error:  # noqa: BLE001 - callers of stop() must not wait without end
            internal_error(error)
        finally:
            self._services.watch.remove(self.engine_run)

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

    @property
    def _was_stopped(self) -> str:
        return f"The server {self.server_id!r} was stopped."

    def _report(self, step: StartPlanning | StartStarting | LoadStep) -> None:
        if isinstance(step, StartWarming):
            self._enter("warming")
        else:
            self._loading = step if isinstance(step, StartLoading) else None
            self._notify()
        if not self.events.closed:  # they show the first start only
            self.events.append(step)
