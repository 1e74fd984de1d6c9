"""Who makes way for whom, with real processes; what a launch takes of memory is said by the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from sidecar.contract.config import EnginesConfig
from sidecar.contract.errors import ModelInvalid
from sidecar.contract.memory import MemoryEstimate
from sidecar.contract.servers import ServerSettings
from sidecar.engines.kinds.help_flags import parse_help
from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.engines.launch import Launch
from sidecar.logs.store import LogStore
from sidecar.servers.memory_budget import MemoryBudget
from sidecar.servers.server import Server
from sidecar.servers.server_manager import ServerManager
from tests import fake_engine
from tests.engines.listening import kept_busy
from tests.processes.programs import WAIT_SECONDS
from tests.servers.running import Stage, error_of, until

pytestmark = pytest.mark.anyio


class Harbour:
    """A fleet that asks for room; a launch fits where no more than `fitting` engines are loaded."""

    def __init__(self, stage: Stage, **config: Any) -> None:
        self.stage = stage
        self.config = EnginesConfig(stop_grace_seconds=1.0, max_restarts=0, **config)
        self.fleet = ServerManager(logs=stage.logs, runtime_dir=stage.runtime_dir, config=lambda: self.config)
        self.fleet.ask(make_room=MemoryBudget(self.fleet, config=lambda: self.config, estimate=self.estimate).make)
        self.fitting = 1000

    async def estimate(self, launch: Launch) -> MemoryEstimate:
        loaded = sum(server.pid is not None for server in self.fleet.all())
        return cast(MemoryEstimate, SimpleNamespace(fits=loaded < self.fitting, message="It does not fit."))

    async def ready(self, server_id: str) -> Server:
        server = self.fleet.start(server_id, ServerSettings(extra_args=[]), self.stage.plan)
        await server.started()
        return server

    def states(self) -> dict[str, str]:
        return {info.server_id: info.state for info in self.fleet.infos()}


@asynccontextmanager
async def harbour(tmp_path: Path, llama_cpp: Path, **config: Any) -> AsyncIterator[Harbour]:
    flags = parse_help(fake_engine.HELP)
    (tmp_path / "logs").mkdir()
    logs = LogStore(tmp_path / "logs", max_file_bytes=65_536, kept_files=1)
    stage = Stage(LlamaServer(llama_cpp / "llama-server", "fake", flags), logs, tmp_path)
    made = Harbour(stage, **{"start_timeout_seconds": WAIT_SECONDS, **config})
    try:
        with anyio.fail_after(WAIT_SECONDS):
            async with made.fleet.run():
                yield made
    finally:
        logs.close()


async def test_beyond_the_limit_the_one_that_was_not_asked_for_longest_sleeps(
    tmp_path: Path, fake_llama_cpp: Path
) -> None:
    async with harbour(tmp_path, fake_llama_cpp, max_loaded=2) as port:
        first, _ = await port.ready("first"), await port.ready("second")
        await first.ready_link().count_text("now the second is the one")
        await port.ready("third")
        assert port.states() == {"first": "ready", "second": "sleeping", "third": "ready"}


async def test_who_wakes_needs_room_as_well(tmp_path: Path, fake_llama_cpp: Path) -> None:
    async with harbour(tmp_path, fake_llama_cpp, max_loaded=1) as port:
        first, second = await port.ready("first"), await port.ready("second")
        for waking, other in ((first, second), (second, first)):
            assert (waking.state, other.state) == ("sleeping", "ready")
            await waking.be_ready_again()
        assert port.states() == {"first": "sleeping", "second": "ready"}


async def test_what_finds_no_room_when_it_is_woken_goes_on_sleeping_and_is_woken_by_the_next(
    tmp_path: Path, fake_llama_cpp: Path
) -> None:
    refused: list[str] = []

    async def wake() -> None:
        refused.append((await error_of(first.be_ready_again())).name)

    async with harbour(tmp_path, fake_llama_cpp, max_loaded=1) as port:
        first, second = await port.ready("first"), await port.ready("second")
        async with kept_busy(second.ready_link()):
            port.config.start_timeout_seconds = 0.1
            for _ in range(2):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(wake)
                    tasks.start_soon(wake)
                assert port.states() == {"first": "sleeping", "second": "ready"}
            assert first.is_usable
        assert refused == ["QUEUE_FULL"] * 4
        port.config.start_timeout_seconds = WAIT_SECONDS
        await first.be_ready_again()
        assert port.states() == {"first": "ready", "second": "sleeping"}


async def test_a_start_waits_until_one_of_those_that_answer_is_free(tmp_path: Path, fake_llama_cpp: Path) -> None:
    async with harbour(tmp_path, fake_llama_cpp, max_loaded=1) as port, anyio.create_task_group() as tasks:
        first = await port.ready("first")
        async with kept_busy(first.ready_link()):
            tasks.start_soon(port.ready, "second")
            await anyio.sleep(0.5)  # two looks at the first
            assert port.states() == {"first": "ready", "second": "planning"}
        await until(lambda: port.states() == {"first": "sleeping", "second": "ready"})


async def test_a_start_that_waits_for_too_long_says_so(tmp_path: Path, fake_llama_cpp: Path) -> None:
    async with harbour(tmp_path, fake_llama_cpp, max_loaded=1) as port:
        first = await port.ready("first")
        async with kept_busy(first.ready_link()):
            port.config.start_timeout_seconds = 0.3
            error = await error_of(port.ready("second"))
        assert (error.name, "max_loaded" in error.message, first.state) == ("QUEUE_FULL", True, "ready")


async def test_servers_sleep_one_by_one_until_a_launch_fits(tmp_path: Path, fake_llama_cpp: Path) -> None:
    async with harbour(tmp_path, fake_llama_cpp) as port:
        for name in ("first", "second", "third"):
            await port.ready(name)
        port.fitting = 2
        await port.ready("fourth")
        assert port.states() == {"first": "sleeping", "second": "sleeping", "third": "ready", "fourth": "ready"}


async def test_what_does_not_fit_and_can_not_be_helped_is_left_to_the_engine(
    tmp_path: Path, fake_llama_cpp: Path
) -> None:
    async with harbour(tmp_path, fake_llama_cpp) as port:
        first = await port.ready("first")
        port.fitting = 0
        async with kept_busy(first.ready_link()):
            await port.ready("second")
        assert port.states() == {"first": "ready", "second": "ready"}


async def test_nobody_makes_way_where_the_config_says_so(tmp_path: Path, fake_llama_cpp: Path) -> None:
    async with harbour(tmp_path, fake_llama_cpp, make_room=False) as port:
        await port.ready("first")
        port.fitting = 0
        await port.ready("second")
        assert port.states() == {"first": "ready", "second": "ready"}


async def test_a_plan_that_can_not_be_made_lets_the_start_go_on(
    tmp_path: Path, fake_llama_cpp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(launch: Launch) -> MemoryEstimate:
        raise ModelInvalid("no header")

    async with harbour(tmp_path, fake_llama_cpp) as port:
        await port.ready("first")
        port.fleet.ask(make_room=MemoryBudget(port.fleet, config=lambda: port.config, estimate=fail).make)
        await port.ready("second")
        assert port.states() == {"first": "ready", "second": "ready"}
