"""One server: an engine with a model, from the plan to the end; where it crashes or sleeps, one after the other.

Owns the server's state. One task (`run`) is the only writer; everybody else asks it to stop and reads what it
last wrote. Knows nothing of sessions or of how a plan is made.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

from sidecar.contract import CancelledEvent, ErrorEvent, WireError
from sidecar.contract.config import EnginesConfig
from sidecar.contract.errors import Cancelled, QueueFull, ServerNotRunning, SidecarError
from sidecar.contract.servers import (
    ServerDetails,
    ServerInfo,
    ServerSettings,
    ServerState,
    StartActual,
    StartDone,
    StartLoading,
    StartQueued,
    StartWarming,
)
from sidecar.engines.client.engine_client import EngineClient, EngineGone
from sidecar.engines.launch import Launch
from sidecar.engines.lifecycle.engine_run import EngineRun, Plan, ReadGpus, Step
from sidecar.engines.lifecycle.failures import after_restarts
from sidecar.engines.lifecycle.restarts import RestartBudget
from sidecar.events.event_log import EventLog
from sidecar.logs.defects import internal_error
from sidecar.logs.store import LogStore
from sidecar.servers import server_info
from sidecar.servers.idle_unloader import IdleUnloader

logger = logging.getLogger(__name__)

MakeRoom = Callable[["Server", Launch], Awaitable[None]]
"""Sees that a launch has the room it needs; what it raises ends the start."""

Replaced = Callable[[Launch, SidecarError], Awaitable[bool]]
"""Whether another engine has taken the place of one that did not start, so that the plan is worth making anew."""

LIVES_REMEMBERED = 3
"""Engines of which it is known why they ended: a turn that was under way asks late where the disk is slow."""


class Server:
    """A server, started once by a host. While it has not failed its engine is started again when it crashes.

    Attributes:
        settings: what it was asked to run with.
        events: its start, for channels.
        state: how far it is. Reading it is always fine; only `run` writes it.
        crash: why its engine is being started again, where it is.
        failure: why it ended; `Cancelled` where it was stopped.
        superseded: another one takes its place, and answers what waits for it; `Fleet` writes it.
    """

    def __init__(
        self,
        server_id: str,
        settings: ServerSettings,
        plan: Plan,
        *,
        logs: LogStore,
        runtime_dir: Path,
        config: EnginesConfig,
        on_change: Callable[[Server], None],
        read_gpus: ReadGpus | None = None,
        make_room: MakeRoom | None = None,
        replaced: Replaced | None = None,
    ) -> None:
        self.server_id = server_id
        self.settings = settings
        self.events = EventLog()
        self.state: ServerState = "queued"
        self.crash: SidecarError | None = None
        self.failure: SidecarError | None = None
        self.superseded = False
        self._plan = plan
        self._make_room = make_room
        self._replaced = replaced
        life = EngineRun(
            settings,
            self._planned,
            source=logs.source(f"server:{server_id}"),
            runtime_dir=runtime_dir,
            config=config,
            enter=self._set,
            tell=self._tell,
            read_gpus=read_gpus,
        )
        self._lives = deque([life], maxlen=LIVES_REMEMBERED)
        self._restarts = RestartBudget(config.max_restarts)
        self._stop_grace = config.stop_grace_seconds
        self._loading: StartLoading | None = None
        self._rest = IdleUnloader(settings, config.idle_unload_minutes)
        self._on_change = on_change
        self._changed = anyio.Event()
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
                    await self._take_down(Cancelled(self._was_stopped))
            await self._finished.wait()

    def ready_link(self) -> EngineClient:
        """The way to the engine.

        Raises:
            ServerNotRunning: the server is not ready.
        """
        link = self.life.link
        if self.state == "ready" and link is not None and not self._rest.asleep:
            return link
        raise server_info.why_not_ready(self)

    @property
    def asleep(self) -> bool:
        """Whether it has no engine until somebody needs one, or that one is on its way."""
        return self._rest.asleep

    @property
    def is_usable(self) -> bool:
        """Whether it is ready, or will be once it is woken."""
        return self.asleep or self.state == "ready"

    def check_usable(self) -> None:
        """See that a message can be sent to it: it is ready, or will be once it is woken.

        Raises:
            ServerNotRunning: why not.
        """
        if not self.asleep:
            self.ready_link()

    async def be_ready_again(self, tell: Callable[[StartLoading], None] = lambda _: None) -> None:
        """Wake it where it sleeps, and wait while its engine is being started again, until that is decided; returns at
        once where it is neither.

        Args:
            tell: called with how far the load is, whenever that has changed.

        Raises:
            QueueFull: it sleeps, and there is no room for its engine.
        """
        while self.asleep or self.crash is not None or (self.state == "stopping" and not self._scope.cancel_called):
            self._rest.wake()
            await self._changed.wait()
            if (why := self._rest.no_room) is not None:
                raise QueueFull(why.message, hint=why.hint)  # for each an error of its own
            if self.state == "loading" and self._loading is not None:
                tell(self._loading)

    async def sleep(self) -> bool:
        """Let the engine end, if nobody waits for an answer of it; returns when its memory is free: whether it is."""
        link = self.life.link
        if self.state != "ready" or link is None or not await self._rest.lie_down(link):
            return False
        while self.asleep and self.state in ("ready", "stopping"):
            await self._changed.wait()
        return self.asleep

    async def explain_broken_connection(self, broken: EngineGone) -> SidecarError:
        """Why an engine hung up: it crashed, was stopped, or only the connection broke. It need not be the present
        engine; what has become of the server since then does not matter."""
        life = next((life for life in self._lives if life.link is broken.link), self.life)
        error = await life.explain()
        return ServerNotRunning(self._was_stopped) if isinstance(error, Cancelled) else error

    @property
    def life(self) -> EngineRun:
        """The present engine, or the last."""
        return self._lives[-1]

    @property
    def asked_at(self) -> float:
        """When its engine was asked last, on the monotonic clock; 0 where there is none."""
        return self.life.link.asked_at if self.life.link is not None else 0.0

    @property
    def launch(self) -> Launch | None:
        """What was planned, once it is."""
        return self.life.launch

    @property
    def actual(self) -> StartActual | None:
        """What the engine says of itself; while it is being started again, what it said before."""
        return self.life.actual

    @property
    def pid(self) -> int | None:
        """Process id of the engine while it runs."""
        return self.life.pid

    @property
    def restarts(self) -> int:
        """How often its engine was started again after a crash."""
        return self._restarts.count

    def info(self) -> ServerInfo:
        """The server as hosts see it."""
        return server_info.info_of(self)

    def details(self) -> ServerDetails:
        """The server and how to reach it past the sidecar."""
        return server_info.details_of(self)

    # --- the owner task ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Bring the server up and see it through to its end. Runs once."""
        self.events.append(StartQueued())
        failure: SidecarError = Cancelled(self._was_stopped)
        try:
            with self._scope:
                failure = await self._live()
        finally:
            self._end(failure)

    async def _live(self) -> SidecarError:
        """One engine after the other; returns why no other one follows."""
        while True:
            reason, pause = await self._see_through(self.life)
            if pause is not None:
                self._set("queued")
                await anyio.sleep(pause)
            elif self.asleep and isinstance(reason, Cancelled | QueueFull):
                if isinstance(reason, QueueFull):
                    self._rest.go_on(reason)
                self._set("sleeping")
                await self._rest.until_wanted()
                self._set("queued")
            elif await self._has_another_engine(reason):
                self._lives.append(self.life.anew())
                continue
            else:
                return reason
            self._lives.append(self.life.again())

    async def _has_another_engine(self, reason: SidecarError) -> bool:
        """Whether the first start, which has failed, is worth trying anew."""
        if self._settled.is_set() or self._replaced is None or self.launch is None:
            return False
        self._set("queued")
        return await self._replaced(self.launch, reason)

    async def _see_through(self, life: EngineRun) -> tuple[SidecarError, float | None]:
        """Lead one engine to its end; returns why it ended, and the pause before the next one if there is to be one."""
        reason: SidecarError = Cancelled(self._was_stopped)
        pause: float | None = None
        try:
            await life.begin()
            self._be_ready()
            reason = await self._until_over_or_asleep(life)
        except SidecarError as error:
            reason = error
        except Exception as error:  # noqa: BLE001 - a defect of ours must not take the other servers along
            reason = internal_error(error)
        finally:
            if not isinstance(reason, Cancelled):
                logger.warning("server %s: %s", self.server_id, reason.message)
                if self._settled.is_set():  # who asked for a start that fails is told, and decides
                    pause = self._restarts.after(reason, life.ready_seconds)
            self.crash = reason if pause is not None else None
            with anyio.CancelScope(shield=True):
                if life.process is not None:
                    self._set("stopping")  # before the link is closed: nobody is given a closed one
                await self._take_down(reason)
        return reason, pause

    async def _until_over_or_asleep(self, life: EngineRun) -> SidecarError:
        """Wait until a ready engine ends by itself, stands still, or is to sleep; returns why it is over."""
        link = self.ready_link()
        reason: SidecarError = Cancelled(f"The server {self.server_id!r} sleeps.")
        async with anyio.create_task_group() as tasks:

            async def until_asleep() -> None:
                await self._rest.until_asleep(link)
                tasks.cancel_scope.cancel()

            tasks.start_soon(until_asleep)
            reason = await life.until_over()
            tasks.cancel_scope.cancel()
        return reason

    async def _planned(self, settings: ServerSettings) -> Launch:
        launch = await self._plan(settings)
        if self._make_room is not None:
            await self._make_room(self, launch)
        return launch

    def _be_ready(self) -> None:
        self.crash = None
        self._rest.is_over()
        self._set("ready")
        if not self.events.closed:
            self.events.append(StartDone(**server_info.members_of(self)))
            self._settled.set()

    async def _take_down(self, reason: SidecarError) -> None:
        try:
            await self.life.end(reason, grace_seconds=self._stop_grace)
        except Exception as error:  # noqa: BLE001 - whoever waits for the end must not wait for ever
            internal_error(error)

    def _end(self, failure: SidecarError) -> None:
        stopped = isinstance(failure, Cancelled)
        if not stopped and self.restarts:
            failure = after_restarts(failure, self.restarts)
        self.failure, self.crash = failure, None
        self._rest.is_over()
        self._set("stopped" if stopped else "failed")
        if not self.events.closed:
            self.events.append(CancelledEvent() if stopped else ErrorEvent(error=WireError.of(failure)))
        self._settled.set()
        self._finished.set()

    # --- pieces of it ------------------------------------------------------------------------------------

    @property
    def _was_stopped(self) -> str:
        return f"The server {self.server_id!r} was stopped."

    def _tell(self, step: Step) -> None:
        if isinstance(step, StartWarming):
            self._set("warming")
        elif self.events.closed:
            self._loading = step if isinstance(step, StartLoading) else None
            self._tell_change()
        if not self.events.closed:  # that is the story of the first start
            self.events.append(step)

    def _tell_change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _set(self, state: ServerState) -> None:
        self.state = state
        self._tell_change()
        try:
            self._on_change(self)
        except Exception as error:  # noqa: BLE001 - as in `_see_through`: who is told does not decide how a server ends
            internal_error(error)
