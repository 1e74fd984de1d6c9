"""A first start that fails where another engine then takes the place of the one that failed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import anyio
import pytest

from sidecar.contract.errors import EngineStartFailed, SidecarError
from sidecar.contract.server_settings import ServerSettings
from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.engines.launch import Launch
from sidecar.logs.store import LogStore
from sidecar.servers.server import Server
from tests.servers.running import Stage, error_of, running, statuses, until

pytestmark = pytest.mark.anyio


class Broken:
    """A plan whose engine does not start until it was replaced."""

    def __init__(self, stage: Stage, *, replaceable: bool) -> None:
        self._stage = stage
        self._replaceable = replaceable
        self.is_broken = True
        self.asked: list[str] = []

    async def plan(self, settings: ServerSettings) -> Launch:
        extra = ["--no-such-flag"] if self.is_broken else []
        return self._stage.launch(ServerSettings(extra_args=extra))

    async def replaced(self, launch: Launch, reason: SidecarError) -> bool:
        await anyio.lowlevel.checkpoint()
        self.asked.append(reason.name)
        self.is_broken = self.is_broken and not self._replaceable
        return self._replaceable

    def server(self) -> Server:
        return self._stage.server(plan=self.plan, replaced=self.replaced)


@pytest.fixture
def stage(fake: LlamaServer, logs: LogStore, runtime_dir: Path) -> Stage:
    return Stage(fake, logs, runtime_dir)


async def test_the_same_start_goes_on_with_the_other_engine(stage: Stage) -> None:
    broken = Broken(stage, replaceable=True)
    server = broken.server()
    async with running(server):
        info = await server.started()
        assert (info.state, info.restarts, info.error, broken.asked) == ("ready", 0, None, ["ENGINE_START_FAILED"])
        told = statuses(server)
    assert (told[0], told[-1], told.count("planning"), "error" in told) == ("queued", "done", 2, False)


async def test_where_there_is_no_other_the_start_has_failed(stage: Stage) -> None:
    broken = Broken(stage, replaceable=False)
    server = broken.server()
    async with running(server):
        assert isinstance(await error_of(server.started()), EngineStartFailed)
    assert (server.state, broken.asked) == ("failed", ["ENGINE_START_FAILED"])


async def test_an_engine_that_was_ready_is_never_replaced(stage: Stage) -> None:
    broken = Broken(stage, replaceable=True)
    broken.is_broken = False
    server = broken.server()
    async with running(server):
        await server.started()
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda: server.state == "failed")
    assert broken.asked == []
