"""Servers that run in a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from sidecar.builds.service import Builds
from sidecar.contract.config import EnginesConfig
from sidecar.contract.errors import ModelInvalid, SidecarError
from sidecar.contract.memory import MemoryEstimate
from sidecar.contract.server_settings import ServerSettings
from sidecar.contract.servers import ServerState
from sidecar.engines.launch import Launch, LocalProcess
from sidecar.engines.lifecycle.loading import SAMPLE_INTERVAL_SECONDS
from sidecar.engines.output.memory_lines import MemoryLines
from sidecar.events.event_log import status_of
from sidecar.logs.store import LogStore
from sidecar.servers.eviction import MemoryBudget
from sidecar.servers.memory.estimates import MemoryEstimates
from sidecar.servers.memory.watch import MemoryWatch
from sidecar.servers.server import Server, StartServices
from sidecar.servers.server_manager import ServerManager
from sidecar.servers.server_table import ServerTable
from sidecar.servers.start_planner import StartPlanner
from tests.config_files import config_file
from tests.processes.programs import WAIT_SECONDS

SAMPLED_SECONDS = SAMPLE_INTERVAL_SECONDS + 0.1
"""The shortest time without a sign of life that a slow machine keeps, too: a program that has not yet come to its
first line has grown by then, and is given as much again."""

Plan = Callable[[ServerSettings], Awaitable[Launch]]
Replaced = Callable[[Launch, SidecarError], Awaitable[bool]]


class Planned(StartPlanner):
    """Plans that a test makes."""

    def __init__(self, make: Plan) -> None:
        self._make = make

    async def plan(self, settings: ServerSettings) -> Launch:
        return await self._make(settings)

    async def remember(self, launch: Launch) -> None:
        return


class Replacing(Builds):
    """Managed builds of which a test says whether another one has taken a failed one's place."""

    def __init__(self, replaced: Replaced) -> None:
        self._replaced = replaced

    async def replaced(self, launch: Launch, reason: SidecarError) -> bool:
        return await self._replaced(launch, reason)


class NoMemory(MemoryEstimates):
    """Knows of no memory, and notes what it is to remember."""

    def __init__(self) -> None:
        self.observed: list[int] = []

    async def estimate(self, launch: Launch, *, quick: bool = False) -> MemoryEstimate:
        raise ModelInvalid("There is no estimate.")

    async def observe(self, launch: Launch, lines: MemoryLines, pid: int) -> None:
        self.observed.append(pid)


class Noted(ServerTable[Server]):
    """A table that a test follows: each change of a server, in the moment in which it happens."""

    def __init__(self, note: Callable[[Server], None]) -> None:
        super().__init__()
        self._note = note

    def publish(self, server_id: str) -> None:
        super().publish(server_id)
        self._note(self.servers[server_id])


@dataclass
class Stage:
    """What a server needs around it, and what it has shown."""

    engine: LocalProcess
    logs: LogStore
    runtime_dir: Path
    states: list[ServerState] = field(default_factory=list)

    def launch(self, settings: ServerSettings) -> Launch:
        return Launch(
            engine=self.engine,
            model_name="Tiny",
            model_path=Path("/models/tiny.gguf"),
            ctx_size=settings.ctx_size or 64,
            parallel=settings.parallel or 2,
            n_gpu_layers=-1,
            settings=settings,
        )

    async def plan(self, settings: ServerSettings) -> Launch:
        return self.launch(settings)

    def server(
        self,
        *extra_args: str,
        plan: Plan | None = None,
        timeout: float = WAIT_SECONDS,
        grace: float = WAIT_SECONDS,
        health: float = WAIT_SECONDS,
        max_restarts: int = 0,
        idle_seconds: float | None = None,
        replaced: Replaced | None = None,
        on_change: Callable[[Server], None] | None = None,
        **settings: Any,
    ) -> Server:
        """A server of the fake engine with these flags; a fault that is not expected fails the test by its bounds."""

        def note(server: Server) -> None:
            self.states.append(server.state)
            if on_change is not None:
                on_change(server)

        table = Noted(note)
        config = config_file(
            engines=EnginesConfig(
                start_timeout_seconds=timeout,
                stop_grace_seconds=grace,
                health_timeout_seconds=health,
                max_restarts=max_restarts,
                idle_unload_minutes=None if idle_seconds is None else idle_seconds / 60,
            )
        )
        memory = NoMemory()
        server = Server(
            "test",
            ServerSettings(extra_args=list(extra_args), **settings),
            table=table,
            services=StartServices(
                planner=Planned(plan or self.plan),
                budget=MemoryBudget(table.servers, config=config, memory=memory),
                memory=memory,
                watch=MemoryWatch(memory),
                builds=None if replaced is None else Replacing(replaced),
                gpus=None,
                logs=self.logs,
                runtime_dir=self.runtime_dir,
                config=config,
            ),
        )
        table.servers["test"] = server
        return server

    def manager(self, config: EnginesConfig, memory: MemoryEstimates | None = None) -> ServerManager:
        """A manager whose servers run the fake engine."""
        return ServerManager(
            config=config_file(engines=config),
            planner=Planned(self.plan),
            memory=memory or NoMemory(),
            logs=self.logs,
            runtime_dir=self.runtime_dir,
        )

    def leftovers(self) -> list[str]:
        """What is left in the folder for sockets."""
        return [path.name for path in self.runtime_dir.iterdir()]


@asynccontextmanager
async def running(*servers: Server) -> AsyncIterator[None]:
    """Let servers run meanwhile; stopped at the end."""
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            for server in servers:
                tasks.start_soon(server.run)
            try:
                yield
            finally:
                for server in servers:
                    await server.stop()


async def until_ready(server: Server) -> None:
    """Wake a server, or wait until its restart is decided."""
    async for _ in server.until_ready():
        pass


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that the loop will bring about."""
    with anyio.fail_after(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - some conditions are facts of the system, without an event
            await anyio.sleep(0.002)


async def error_of(waiting: Awaitable[object]) -> SidecarError:
    """The error that something ends with."""
    try:
        result = await waiting
    except SidecarError as error:
        return error
    raise AssertionError(f"there was no error but {result!r}")


def statuses(server: Server) -> list[str]:
    """The statuses of a server's events, repetitions left out."""
    found: list[str] = []
    for _, event in server.events.read(0):
        if not found or found[-1] != status_of(event):
            found.append(status_of(event))
    return found
