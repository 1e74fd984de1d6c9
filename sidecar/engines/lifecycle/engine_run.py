"""The life of one engine: from its plan over its process to its end.

Owns the process, the way to it and its key; all of them are new in each life. In which state a server is, and whether
another life follows, is `server`'s business.
"""

from __future__ import annotations

import logging
import os
import secrets
import shlex
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import anyio.abc
import msgspec

from sidecar.contract.config import EnginesConfig
from sidecar.contract.errors import EngineUnresponsive, SidecarError
from sidecar.contract.servers import (
    ServerSettings,
    ServerState,
    StartActual,
    StartLoading,
    StartPlanning,
    StartStarting,
    StartWarming,
    StartWarning,
)
from sidecar.engines.client.engine_client import EngineClient
from sidecar.engines.launch import LOOPBACK, Endpoint, EngineCommand, Launch
from sidecar.engines.lifecycle.engine_process import EngineProcess
from sidecar.engines.lifecycle.failures import crashed, gpu_not_used, hung_up, silent
from sidecar.engines.lifecycle.gpu_check import GpuEvidence, judge
from sidecar.engines.lifecycle.liveness import until_silent
from sidecar.engines.lifecycle.startup import Startup
from sidecar.host.environment import gpu_variables
from sidecar.host.gpus import GpuReading
from sidecar.logs.store import Source

logger = logging.getLogger(__name__)

CRASH_NOTICE_SECONDS = 5.0
"""How long a broken connection waits for the process to turn out to have ended."""

MAX_SOCKET_PATH_BYTES = 100
"""A socket's path has room for 104 bytes on macOS and for 108 on Linux (sun_path)."""

Plan = Callable[[ServerSettings], Awaitable[Launch]]
"""Makes every choice of a start: engine, model, settings. Raises SidecarError where that is not possible."""

ReadGpus = Callable[[], Awaitable[GpuReading]]
"""Reads the machine's GPUs; soon, whatever their driver does."""

Step = StartPlanning | StartStarting | StartLoading | StartWarming


class EngineRun:
    """One engine.

    Args:
        enter: called with the server's next state.
        tell: called with what hosts are told of the start.
        read_gpus: asked where a model is not on the GPU as wanted.

    Attributes:
        launch, command, endpoint, process, link, actual: what is known by then, else `None`.
        port: the TCP port it listens on, or was told to.
        warning: in what it does not run as it was wanted.
        failure: why it is over.
    """

    def __init__(
        self,
        settings: ServerSettings,
        plan: Plan,
        *,
        source: Source,
        runtime_dir: Path,
        config: EnginesConfig,
        enter: Callable[[ServerState], None],
        tell: Callable[[Step], None],
        read_gpus: ReadGpus | None = None,
    ) -> None:
        self.api_key = secrets.token_hex(32)
        self.launch: Launch | None = None
        self.command: EngineCommand | None = None
        self.endpoint: Endpoint | None = None
        self.port: int | None = None
        self.process: EngineProcess | None = None
        self.link: EngineClient | None = None
        self.actual: StartActual | None = None
        self.warning: StartWarning | None = None
        self.failure: SidecarError | None = None
        self._settings = settings
        self._plan = plan
        self._source = source
        self._runtime_dir = runtime_dir
        self._config = config
        self._enter = enter
        self._tell = tell
        self._read_gpus = read_gpus
        self._ready_clock: float | None = None
        self._over = anyio.Event()

    def again(self) -> EngineRun:
        """The life after this one: with the same choices, whatever the config says by now."""
        life = self._next(self.launch.again() if self.launch else self._settings)
        life.launch, life.command, life.actual = self.launch, self.command, self.actual
        life.warning = self.warning
        return life

    def anew(self) -> EngineRun:
        """The life after this one, with every choice made anew."""
        return self._next(self._settings)

    def _next(self, settings: ServerSettings) -> EngineRun:
        return EngineRun(
            settings,
            self._plan,
            source=self._source,
            runtime_dir=self._runtime_dir,
            config=self._config,
            enter=self._enter,
            tell=self._tell,
            read_gpus=self._read_gpus,
        )

    async def begin(self) -> None:
        """Plan and start the engine, and wait until it answers.

        Raises:
            SidecarError: why it does not.
        """
        self._enter("planning")
        self._tell(StartPlanning())
        self.launch = await self._plan(self._settings)
        self.endpoint = self._choose_endpoint(self.launch)
        self.port = self.endpoint.port or None
        self.command = self.launch.engine.command(self.launch, self.endpoint)
        logger.info("%s: %s", self._source.name, shlex.join(self.command.argv))
        self._enter("starting")
        # Once there is a process nothing is cancelled before the assignment: there is none that nobody knows of.
        process = self.process = await EngineProcess.start(self.command.with_key(self.api_key), self._source)
        self._tell(StartStarting(pid=process.pid))
        self._enter("loading")
        startup = Startup(
            self.launch.engine.name,
            process,
            self.endpoint,
            self.api_key,
            tell=self._tell,
            timeout_seconds=self._config.start_timeout_seconds,
        )
        self.link = await startup.until_ready()
        self.port = startup.port
        self.actual = await startup.ask_what_it_is(self.link)
        self.warning = await self._look_at_gpu(self.launch, self.actual, process)
        self._ready_clock = time.monotonic()

    async def until_over(self) -> SidecarError:
        """Wait until the ready engine ends by itself, or stands still; returns why it is over."""
        process, link = self.process, self.link
        assert process is not None  # noqa: S101 - it has begun
        assert link is not None  # noqa: S101
        timeout = self._config.health_timeout_seconds

        async def watch() -> None:
            await until_silent(link, timeout)
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await process.ended.wait()
            tasks.cancel_scope.cancel()
        return crashed(process) if process.ended.is_set() else silent(timeout)

    async def end(self, reason: SidecarError, *, grace_seconds: float) -> None:
        """End what there is of it. Safe to call twice, the second time with less patience; not to be cancelled."""
        self.failure = self.failure or reason
        self._over.set()
        if self.process is None:
            return
        try:
            if self.link is not None:
                if self.process.exit_code is not None:  # what it has sent before it ended is still on its way
                    await self.link.read_out()
                self.link.close()
        finally:
            # What stands still does not take notice of being asked to end.
            standing = isinstance(self.failure, EngineUnresponsive)
            await self.process.stop(grace_seconds=0 if standing else grace_seconds)
        if self.endpoint is not None and self.endpoint.socket_path is not None:
            self.endpoint.socket_path.unlink(missing_ok=True)

    async def explain(self) -> SidecarError:
        """Why its connection broke: the life is over, or only the connection is."""
        with anyio.move_on_after(CRASH_NOTICE_SECONDS):
            await self._over.wait()
        return self.failure or hung_up(self.process)

    @property
    def pid(self) -> int | None:
        """Process id of the engine while it runs."""
        return self.process.pid if self.process is not None and self.process.exit_code is None else None

    @property
    def ready_seconds(self) -> float:
        """How long it has been ready; 0 where it never was."""
        return time.monotonic() - self._ready_clock if self._ready_clock is not None else 0.0

    async def _look_at_gpu(self, launch: Launch, actual: StartActual, process: EngineProcess) -> StartWarning | None:
        """In what the GPU is not used as it was wanted.

        Raises:
            EngineStartFailed: that, where it was required.
        """
        evidence = GpuEvidence(
            engine=launch.engine.name,
            wanted=launch.n_gpu_layers,
            required=bool(launch.settings.require_gpu),
            on_gpu=actual.gpu_layers,
            total=actual.total_layers,
            words=process.output.gpu_words,
            env=gpu_variables(self.command.env if self.command else {}),
        )
        if evidence.on_gpu == 0 and self._read_gpus is not None and (evidence.wanted or evidence.required):
            gpus = await self._read_gpus()
            evidence = msgspec.structs.replace(evidence, machine_has_gpu=bool(gpus.gpus), driver=gpus.status.state)
        warning = judge(evidence)
        if warning is None:
            return None
        if evidence.required:
            raise gpu_not_used(launch.engine.name, warning, process)
        logger.warning("%s: %s %s", self._source.name, warning.message, warning.hint)
        return warning

    def _choose_endpoint(self, launch: Launch) -> Endpoint:
        settings = launch.settings
        if settings.port is not None or settings.host is not None:
            return Endpoint(host=settings.host or LOOPBACK, port=settings.port or 0)
        socket_path = self._runtime_dir / f"{secrets.token_hex(4)}.sock"
        if launch.engine.unix_socket and len(os.fsencode(socket_path)) <= MAX_SOCKET_PATH_BYTES:
            return Endpoint(socket_path=socket_path)
        return Endpoint()
