"""Servers that run in a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from sidecar.contract.config import EnginesConfig
from sidecar.contract.errors import SidecarError
from sidecar.contract.servers import ServerSettings, ServerState
from sidecar.engines.launch import Engine, Launch
from sidecar.engines.lifecycle.engine_run import Plan
from sidecar.engines.lifecycle.load_progress import LOOK_INTERVAL_SECONDS
from sidecar.events.event_log import status_of
from sidecar.logs.store import LogStore
from sidecar.servers.server import Replaced, Server
from tests.processes.programs import WAIT_SECONDS

LOOKED_AT_SECONDS = LOOK_INTERVAL_SECONDS + 0.1
"""The shortest time without a sign of life that a slow machine keeps, too: a program that has not yet come to its
first line is seen to grow by then, and is given as much again."""


@dataclass
class Stage:
    """What a server needs around it, and what it has shown."""

    engine: Engine
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

        return Server(
            "test",
            ServerSettings(extra_args=list(extra_args), **settings),
            plan or self.plan,
            logs=self.logs,
            runtime_dir=self.runtime_dir,
            config=EnginesConfig(
                start_timeout_seconds=timeout,
                stop_grace_seconds=grace,
                health_timeout_seconds=health,
                max_restarts=max_restarts,
                idle_unload_minutes=None if idle_seconds is None else idle_seconds / 60,
            ),
            on_change=note,
            replaced=replaced,
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
