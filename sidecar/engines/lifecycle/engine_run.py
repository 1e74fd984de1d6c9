"""One run of an engine: spawned from a launch, loaded, watched, ended.

Owns the process, its client and its key; all of them are new in each run, but for a key that the host has set. Does not
know how a launch is chosen, which state a server is in, or whether another run follows.
"""

from __future__ import annotations

import logging
import secrets
import shlex
import time
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.abc
import msgspec

from sidecar.contract.config import EnginesConfig
from sidecar.contract.errors import EngineUnresponsive, SidecarError
from sidecar.contract.servers import StartActual, StartWarning
from sidecar.engines.client.engine_client import EngineClient, EngineGone
from sidecar.engines.launch import Launch
from sidecar.engines.lifecycle.engine_errors import (
    connection_broken,
    crashed,
    endless_template,
    engine_error,
    gpu_not_used,
    start_failed,
    stuck,
    unresponsive,
)
from sidecar.engines.lifecycle.engine_process import EngineProcess
from sidecar.engines.lifecycle.gpu_check import GpuEvidence, judge
from sidecar.engines.lifecycle.loading import LoadProgress, LoadStep, SignsOfLife, address_of, described
from sidecar.engines.lifecycle.progress import until_stuck
from sidecar.engines.template_facts import TemplateFacts
from sidecar.host.environment import gpu_variables
from sidecar.host.gpus import GpuReader
from sidecar.logs.store import Source
from sidecar.processes.errors import ProcessError

logger = logging.getLogger(__name__)

READINESS_INTERVAL_SECONDS = 0.1
"""How often a start requests `/health` if the engine does not report its readiness itself."""

LIVENESS_INTERVAL_SECONDS = 5.0
"""How often a silent ready engine is checked. A health check costs both sides about a millisecond."""

LIVENESS_CHECKS = 2
"""How many health checks must fail in a row. When the machine wakes up from sleep, clocks jump and a check times out
without cause; the next one decides."""

REFUSED_PAUSE_SECONDS = 0.2
"""Pause after a health check that was refused immediately: the engine may be about to end."""

EXIT_NOTICE_SECONDS = 5.0
"""How long to wait for the exit of an engine that has broken a connection."""


TEMPLATE_SECONDS = 10.0
"""How long the trial of a chat template may take. The largest templates take some milliseconds."""

TRIED_MESSAGES = [
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hello. How can I help?"},
    {"role": "user", "content": "Say hello again."},
]
"""What a template is tried with; every template takes these roles in this order."""


class EngineRun:
    """One run of an engine.

    Attributes:
        launch, command, endpoint, api_key: what is started, how, and where it is reached.
        process, client, actual: `None` until they are known.
        template: what the model's chat template takes; nothing is known of it before the engine is ready.
        port: the TCP port that it listens on, or is to listen on.
        warning: how it differs from the request; `None` if it does not.
        failure: why it is over.
        condemned: why it is about to be ended by us; `None` if it is not.
    """

    def __init__(
        self, launch: Launch, *, source: Source, runtime_dir: Path, config: EnginesConfig, gpus: GpuReader | None = None
    ) -> None:
        self.launch = launch
        self.endpoint = launch.endpoint(runtime_dir)
        self.command = launch.engine.command(launch, self.endpoint)
        self.api_key = launch.settings.api_key or secrets.token_hex(32)
        self.port = self.endpoint.port or None
        self.process: EngineProcess | None = None
        self.client: EngineClient | None = None
        self.actual: StartActual | None = None
        self.template = TemplateFacts()
        self.warning: StartWarning | None = None
        self.failure: SidecarError | None = None
        self.condemned: SidecarError | None = None
        self._doomed = anyio.Event()
        self._source = source
        self._config = config
        self._gpus = gpus
        self._ready_clock: float | None = None
        self._over = anyio.Event()

    async def spawn(self) -> EngineProcess:
        """Start the process; the caller must `end` the run.

        Raises:
            EngineNotFound: the program does not exist.
            EngineStartFailed: the system refuses to run it.
        """
        logger.info("%s: %s", self._source.name, shlex.join(self.command.argv))
        # No cancellation can come between the start and the assignment, so no process is lost.
        try:
            self.process = await EngineProcess.start(self.command.with_key(self.api_key), self._source)
        except ProcessError as error:
            raise engine_error(error) from None
        return self.process

    async def load(self) -> AsyncIterator[LoadStep]:
        """Report the load's progress until the engine is ready.

        Raises:
            EngineStartFailed: it has ended, makes no progress for too long, or does not answer as an engine does.
            SidecarError: why it was condemned.
        """
        process = self._spawned()
        progress, signs = LoadProgress(), SignsOfLife(process)
        while True:
            await process.wait_for_change(READINESS_INTERVAL_SECONDS)  # first: a new process never answers immediately
            if self.condemned is not None:
                raise self.condemned
            if process.ended.is_set():
                raise start_failed(self.launch.engine.name, process)
            for step in progress.steps(process.output):
                yield step
            if await self._answers(process):
                break
            if await signs.missing(self._config.start_timeout_seconds):
                raise start_failed(self.launch.engine.name, process)
        for step in progress.steps(process.output, at_end=True):
            yield step
        self.actual, self.template = await self._describe(process)
        if self.template.known:
            await self._try_template(process)
        self.warning = await self._check_gpu(process, self.actual)
        self._ready_clock = time.monotonic()

    def condemn(self, reason: SidecarError) -> None:
        """Have the run ended: `load` raises the reason, `until_over` returns it. The first reason counts."""
        if self.condemned is None:
            self.condemned = reason
            self._doomed.set()

    async def until_over(self) -> SidecarError:
        """Wait until the ready engine ends by itself, hangs, or is condemned; returns why it is over."""
        process, client = self._spawned(), self.client
        assert client is not None  # noqa: S101 - it is ready
        timeout = self._config.health_timeout_seconds

        async def watch() -> None:
            await until_unresponsive(client, timeout)
            self.condemn(unresponsive(timeout))

        async def watch_progress() -> None:
            layers = self.actual.gpu_layers if self.actual is not None else None
            threads = self.launch.settings.threads
            self.condemn(stuck(await until_stuck(client, process.pid, threads=threads, on_gpu=layers != 0)))

        async def until_condemned() -> None:
            await self._doomed.wait()
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            tasks.start_soon(watch_progress)
            tasks.start_soon(until_condemned)
            await process.ended.wait()
            tasks.cancel_scope.cancel()
        return self.condemned or crashed(process)

    async def end(self, reason: SidecarError, *, grace_seconds: float) -> None:
        """End the process and close the client. Safe to call again with a shorter grace; must not be cancelled."""
        self.failure = self.failure or reason
        self._over.set()
        if self.process is None:
            return
        try:
            if self.client is not None:
                if self.process.exit_code is not None:  # the bytes that it sent before its end are still unread
                    await self.client.drain()
                self.client.close()
        finally:
            # A hanging process ignores a request to end, and a growing one must not have the time.
            hangs = isinstance(self.failure, EngineUnresponsive) or self.condemned is not None
            await self.process.stop(grace_seconds=0 if hangs else grace_seconds)
        if self.endpoint.socket_path is not None:
            self.endpoint.socket_path.unlink(missing_ok=True)

    async def explain(self) -> SidecarError:
        """Why a connection broke: the run is over, or only the connection."""
        with anyio.move_on_after(EXIT_NOTICE_SECONDS):
            await self._over.wait()
        return self.failure or connection_broken(self.process)

    @property
    def pid(self) -> int | None:
        """Process id of the engine while it runs."""
        return self.process.pid if self.process is not None and self.process.exit_code is None else None

    @property
    def ready_seconds(self) -> float:
        """How long it has been ready; 0 if it never was."""
        return time.monotonic() - self._ready_clock if self._ready_clock is not None else 0.0

    def _spawned(self) -> EngineProcess:
        assert self.process is not None  # noqa: S101 - `spawn` comes first
        return self.process

    async def _answers(self, process: EngineProcess) -> bool:
        """Whether the engine answers a health check. Makes the client as soon as the address is known."""
        if process.output.supervised and not process.output.ready:
            return False
        if self.client is None:
            if (found := await address_of(process, self.endpoint)) is None:
                return False
            address, self.port = found
            self.client = EngineClient(address, self.api_key)
        return (await self.client.health())[0] == 200

    async def _describe(self, process: EngineProcess) -> tuple[StartActual, TemplateFacts]:
        assert self.client is not None  # noqa: S101 - it answers
        try:
            return await described(process, self.client, ctx_size=self.launch.ctx_size)
        except (EngineGone, SidecarError) as error:
            with anyio.move_on_after(EXIT_NOTICE_SECONDS):
                await process.ended.wait()
            complaint = f"it does not answer as an engine does: {error}"
            raise start_failed(self.launch.engine.name, process, complaint) from None

    async def _try_template(self, process: EngineProcess) -> None:
        """Render a short conversation before the model counts as usable.

        Raises:
            EngineStartFailed: the template does not end, or the engine has ended with it.
            SidecarError: why the run was condemned meanwhile.
        """
        assert self.client is not None  # noqa: S101 - it answers

        async def until_condemned() -> None:
            await self._doomed.wait()
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(until_condemned)
            await self._render(process, self.client)
            tasks.cancel_scope.cancel()
        if self.condemned is not None:
            raise self.condemned

    async def _render(self, process: EngineProcess, client: EngineClient) -> None:
        name = self.launch.engine.name
        try:
            await client.try_template(TRIED_MESSAGES, seconds=TEMPLATE_SECONDS)
        except TimeoutError:
            self.condemn(endless_template(name, process, TEMPLATE_SECONDS))
        except EngineGone:
            with anyio.move_on_after(EXIT_NOTICE_SECONDS):
                await process.ended.wait()
            if process.ended.is_set():
                self.condemn(start_failed(name, process))
        except SidecarError as refusal:  # this conversation is refused, or builds have no such endpoint
            logger.debug("%s: the template was not tried: %s", self._source.name, refusal.message)

    async def _check_gpu(self, process: EngineProcess, actual: StartActual) -> StartWarning | None:
        """The warning if the GPU is not used as requested.

        Raises:
            EngineStartFailed: it is not, and require_gpu is set.
        """
        launch = self.launch
        required = bool(launch.settings.require_gpu)
        if actual.gpu_layers is None and not required:
            return None  # the log does not show where its layers are
        evidence = GpuEvidence(
            engine=launch.engine.name,
            requested=launch.n_gpu_layers,
            required=required,
            on_gpu=actual.gpu_layers,
            total=actual.total_layers,
            lines=process.output.gpu_lines,
            env=gpu_variables(self.command.env),
        )
        if evidence.on_gpu == 0 and self._gpus is not None and (evidence.requested or required):
            machine = await self._gpus.read()
            evidence = msgspec.structs.replace(
                evidence, machine_has_gpu=bool(machine.gpus), driver=machine.status.state
            )
        warning = judge(evidence)
        if warning is None:
            return None
        if required:
            raise gpu_not_used(launch.engine.name, warning, process)
        logger.warning("%s: %s %s", self._source.name, warning.message, warning.hint)
        return warning


async def until_unresponsive(client: EngineClient, timeout_seconds: float) -> None:
    """Wait until an engine neither streams an answer nor answers health checks within the timeout."""
    while True:
        received, shortages = client.received, client.shortages
        await anyio.sleep(min(LIVENESS_INTERVAL_SECONDS, timeout_seconds))
        if client.received != received:
            continue
        for _ in range(LIVENESS_CHECKS):
            if await _is_alive(client, timeout_seconds / LIVENESS_CHECKS) or client.received != received:
                break
            if client.shortages != shortages:  # we could not ask, which says nothing of the engine
                break
        else:
            return


async def _is_alive(client: EngineClient, seconds: float) -> bool:
    with anyio.move_on_after(seconds):
        while True:
            status, _ = await client.health(seconds)
            if status is not None:  # any status is a sign of life
                return True
            await anyio.sleep(REFUSED_PAUSE_SECONDS)
    return False
