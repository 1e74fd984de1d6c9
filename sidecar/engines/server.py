"""One server: an engine with a model, from the plan to the end.

Owns the server's state. One task (`run`) is the only writer; everybody else asks it to stop and reads what it
last wrote. Knows nothing of sessions or of how a plan is made.
"""

from __future__ import annotations

import logging
import secrets
import shlex
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

from sidecar.channels import EventLog
from sidecar.contract import CancelledEvent, ErrorEvent, WireError
from sidecar.contract.errors import (
    Cancelled,
    EngineCrashed,
    EngineStartFailed,
    ServerNotRunning,
    SidecarError,
)
from sidecar.contract.servers import (
    ServerDetails,
    ServerInfo,
    ServerState,
    StartActual,
    StartDone,
    StartLoading,
    StartPlan,
    StartPlanning,
    StartQueued,
    StartStarting,
    StartWarming,
)
from sidecar.engines.faults import LOG_TAIL_LINES, classify, exit_words, fault
from sidecar.engines.launch import API_KEY_VARIABLE, LOOPBACK, Command, Endpoint, Launch
from sidecar.engines.link import EngineGone, EngineLink
from sidecar.engines.process import EngineProcess
from sidecar.engines.progress import LoadClock, SignsOfLife
from sidecar.logs.defects import internal_error
from sidecar.logs.store import LogStore

logger = logging.getLogger(__name__)

HEALTH_INTERVAL_SECONDS = 0.1
"""How often a start looks at `/health` where the engine does not say itself that it is ready."""

CRASH_NOTICE_SECONDS = 2.0
"""How long a broken connection waits for the process to turn out to have ended."""

_MESSAGES: dict[ServerState, str] = {
    "queued": "Waiting to start.",
    "planning": "Choosing the engine and checking the model.",
    "starting": "Starting the engine.",
    "loading": "Loading the model.",
    "warming": "Warming up.",
    "ready": "llama-server started successfully",
    "stopping": "Stopping.",
    "stopped": "llama-server stopped",
    "failed": "Failed.",
}

Plan = Callable[[], Awaitable[Launch]]
"""Makes every choice of a start: engine, model, settings. Raises SidecarError where that is not possible."""


class Server:
    """A server, started once; a restart is a new one."""

    def __init__(
        self,
        server_id: str,
        plan: Plan,
        *,
        logs: LogStore,
        runtime_dir: Path,
        start_timeout_seconds: float,
        stop_grace_seconds: float,
        on_change: Callable[[Server], None],
    ) -> None:
        self.server_id = server_id
        self.plan = plan
        self.events = EventLog()
        self.state: ServerState = "queued"
        self.launch: Launch | None = None
        self.link: EngineLink | None = None
        self.actual: StartActual | None = None
        self._source = logs.source(f"server:{server_id}")
        self._runtime_dir = runtime_dir
        self._start_timeout = start_timeout_seconds
        self._stop_grace = stop_grace_seconds
        self._on_change = on_change
        self._command: Command | None = None
        self._endpoint: Endpoint | None = None
        self._api_key = secrets.token_hex(32)
        self._process: EngineProcess | None = None
        self._failure: SidecarError | None = None
        self._news = anyio.Event()
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
        if self._failure is not None:
            raise self._failure
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
        if self.state != "ready" or self.link is None:
            raise ServerNotRunning(f"The server {self.server_id!r} is not ready; its state is {self.state}.")
        return self.link

    async def explain_broken_connection(self) -> SidecarError:
        """Why the engine hung up: it crashed, was stopped, or only the connection broke."""
        process = self._process
        if process is not None:
            with anyio.move_on_after(CRASH_NOTICE_SECONDS):
                await process.ended.wait()
                await self._finished.wait()
        if self._failure is not None and not isinstance(self._failure, Cancelled):
            return self._failure
        if self.state in ("stopping", "stopped"):
            return ServerNotRunning(f"The server {self.server_id!r} was stopped.")
        return EngineCrashed("The engine broke the connection.", cause="UNKNOWN", exit_code=None, log_tail=self._tail())

    @property
    def pid(self) -> int | None:
        """Process id of the engine while it runs."""
        return self._process.pid if self._process is not None and self._process.exit_code is None else None

    def info(self) -> ServerInfo:
        """The server as hosts see it."""
        launch, endpoint = self.launch, self._endpoint
        message = _MESSAGES[self.state] if self._failure is None else self._failure.message
        return ServerInfo(
            server_id=self.server_id,
            state=self.state,
            engine=launch.engine.name if launch else None,
            model=launch.model_name if launch else None,
            model_path=str(launch.model_path) if launch else None,
            pid=self.pid,
            port=self._port() if endpoint else None,
            base_url=self._base_url(),
            ctx_size=launch.ctx_size if launch else None,
            parallel=launch.parallel if launch else None,
            n_gpu_layers=launch.n_gpu_layers if launch else None,
            started_at=self._process.started_at if self._process else None,
            message=message,
            plan=self._plan(),
            actual=self.actual,
            error=WireError.of(self._failure) if self._failure else None,
        )

    def details(self) -> ServerDetails:
        """The server and how to reach it past the sidecar."""
        socket = self._endpoint.socket_path if self._endpoint else None
        info = {name: getattr(self.info(), name) for name in ServerInfo.__struct_fields__}
        return ServerDetails(**info, api_key=self._api_key, socket_path=str(socket) if socket else None)

    # --- the owner task ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Bring the server up and see it through to its end. Runs once."""
        self.events.append(StartQueued())
        failure: SidecarError | None = None
        try:
            with self._scope:
                await self._bring_up()
                await self._watch()
            if self._scope.cancelled_caught:
                failure = Cancelled(f"The server {self.server_id!r} was stopped.")
        except SidecarError as error:
            failure = error
        except EngineGone:
            failure = await self._crash()
        except Exception as error:  # noqa: BLE001 - a defect of ours must not take the other servers along
            failure = internal_error(error)
        finally:
            with anyio.CancelScope(shield=True):
                await self._tear_down(failure)

    async def _bring_up(self) -> None:
        self._set("planning")
        self.events.append(StartPlanning())
        self.launch = await self.plan()
        self._endpoint = self._choose_endpoint(self.launch)
        self._command = self.launch.engine.command(self.launch, self._endpoint)
        logger.info("server %s: %s", self.server_id, shlex.join(self._command.argv))
        self._set("starting")
        command = Command(
            self._command.argv, {**self._command.env, API_KEY_VARIABLE: self._api_key}, self._command.ignored
        )
        self._process = await EngineProcess.start(command, self._source, self._notice)
        self.events.append(StartStarting(pid=self._process.pid))
        self._set("loading")
        self.link = await self._wait_until_ready(self._process)
        self.actual = await self._ask_what_it_is(self.link, self._process)
        self._set("ready")
        info = self.info()
        self.events.append(StartDone(**{name: getattr(info, name) for name in ServerInfo.__struct_fields__}))
        self._settled.set()

    async def _wait_until_ready(self, process: EngineProcess) -> EngineLink:
        """Follow the start until the engine answers.

        Raises:
            EngineStartFailed: it ended, or showed no sign of progress for too long.
        """
        clock = LoadClock()
        signs = SignsOfLife(process.pid, self._source)
        link: EngineLink | None = None
        last_sign = time.monotonic()
        try:
            while True:
                if process.ended.is_set():
                    raise self._start_failed(process)
                self._tell_progress(process, clock)
                if link is None and (address := self._address(process)):
                    link = await EngineLink.open(address, self._api_key)
                if link is not None and (process.output.ready or not process.output.supervised):
                    status, _ = await link.health()
                    if status == 200:
                        self._tell_progress(process, clock, at_end=True)
                        return link
                if await self._next_news() or await signs.seen():
                    last_sign = time.monotonic()
                elif time.monotonic() - last_sign > self._start_timeout:
                    raise self._start_failed(process)
        except BaseException:
            if link is not None:
                with anyio.CancelScope(shield=True):
                    await link.close()
            raise

    async def _watch(self) -> None:
        """Wait for the end of a ready engine; it ends by itself only when it crashes."""
        if self._process is not None:
            await self._process.ended.wait()
            raise await self._crash()

    async def _tear_down(self, failure: SidecarError | None) -> None:
        if self._process is not None and not self._process.ended.is_set():
            self._set("stopping")
        if self.link is not None:
            await self.link.close()
        if self._process is not None:
            await self._process.stop(grace_seconds=self._stop_grace)
        if self._endpoint is not None and self._endpoint.socket_path is not None:
            self._endpoint.socket_path.unlink(missing_ok=True)
        self._failure = failure
        if failure is None or isinstance(failure, Cancelled):
            self._set("stopped")
            final: ErrorEvent | CancelledEvent = CancelledEvent()
        else:
            logger.warning("server %s: %s", self.server_id, failure.message)
            self._set("failed")
            final = ErrorEvent(error=WireError.of(failure))
        if not self.events.closed:
            self.events.append(final)
        self._settled.set()
        self._finished.set()

    # --- pieces of it ------------------------------------------------------------------------------------

    def _choose_endpoint(self, launch: Launch) -> Endpoint:
        settings = launch.settings
        if settings.port is not None or settings.host is not None:
            return Endpoint(host=settings.host or LOOPBACK, port=settings.port or 0)
        if launch.engine.unix_socket:
            return Endpoint(socket_path=self._runtime_dir / f"{secrets.token_hex(4)}.sock")
        return Endpoint()

    def _tell_progress(self, process: EngineProcess, clock: LoadClock, *, at_end: bool = False) -> None:
        """Tell hosts how far the load is; at its end also what came too fast to be seen on the way."""
        output = process.output
        if output.warming or output.ready:
            if self.state == "loading":
                if output.progress is not None and clock.advance(1.0):
                    self.events.append(StartLoading(stage=output.progress.stage, progress=1.0))
                self._set("warming")
                self.events.append(StartWarming())
        elif output.progress is None:
            if clock.is_silent(now=at_end):
                self.events.append(StartLoading(stage="text_model", progress=None), replaces=True)
        elif clock.advance(output.progress.value):
            progress = output.progress.value
            event = StartLoading(stage=output.progress.stage, progress=round(progress, 4))
            if (eta := clock.eta_ms(progress)) is not None:
                event.eta_ms = eta
            self.events.append(event, replaces=True)

    def _address(self, process: EngineProcess) -> str | None:
        endpoint = self._endpoint
        if endpoint is None:
            return None
        if endpoint.socket_path is not None:
            return f"unix://{endpoint.socket_path}"
        if endpoint.port:
            host = LOOPBACK if endpoint.host in ("0.0.0.0", "::") else endpoint.host  # noqa: S104 - compared, not bound
            return f"http://{host}:{endpoint.port}"
        return process.output.address

    async def _ask_what_it_is(self, link: EngineLink, process: EngineProcess) -> StartActual:
        props = await link.props()
        return StartActual(
            context_per_message=props.default_generation_settings.n_ctx,
            slots=props.total_slots,
            load_ms=round((time.monotonic() - process.started_clock) * 1e3, 1),
            gpu_layers=process.output.gpu_layers,
            total_layers=process.output.total_layers,
            vision=props.modalities.vision,
            build=props.build_info or process.output.build,
        )

    async def _next_news(self) -> bool:
        """Wait for news of the process, at most until the next look at its health."""
        with anyio.move_on_after(HEALTH_INTERVAL_SECONDS):
            await self._news.wait()
        seen, self._news = self._news.is_set(), anyio.Event()
        return seen

    def _notice(self) -> None:
        self._news.set()

    def _start_failed(self, process: EngineProcess) -> EngineStartFailed:
        tail = self._tail()
        why = classify(process.exit_code, tail) if process.exit_code is not None else fault("TIMEOUT")
        engine = self.launch.engine.name if self.launch else "The engine"
        return EngineStartFailed(
            f"{engine} did not start: {why.message} ({exit_words(process.exit_code)}).",
            hint=why.hint,
            cause=why.cause,
            exit_code=process.exit_code,
            log_tail=tail,
        )

    async def _crash(self) -> SidecarError:
        process = self._process
        if process is not None:
            with anyio.move_on_after(CRASH_NOTICE_SECONDS):
                await process.ended.wait()
        exit_code = process.exit_code if process else None
        tail = self._tail()
        why = classify(exit_code, tail[-10:])
        return EngineCrashed(
            f"The engine ended while it was in use: {why.message} ({exit_words(exit_code)}).",
            cause=why.cause,
            exit_code=exit_code,
            log_tail=tail,
        )

    def _tail(self) -> list[str]:
        return self._source.tail(LOG_TAIL_LINES)

    def _set(self, state: ServerState) -> None:
        self.state = state
        self._on_change(self)

    def _plan(self) -> StartPlan | None:
        launch, command = self.launch, self._command
        if launch is None or command is None:
            return None
        return StartPlan(
            ctx_size=launch.ctx_size,
            parallel=launch.parallel,
            n_gpu_layers=launch.n_gpu_layers,
            argv=command.argv,
            ignored=command.ignored,
        )

    def _port(self) -> int | None:
        base_url = self._base_url()
        return int(base_url.rpartition(":")[2]) if base_url else None

    def _base_url(self) -> str | None:
        if self._endpoint is None or self._endpoint.socket_path is not None or self._process is None:
            return None
        return self._address(self._process)
