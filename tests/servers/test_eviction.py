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
from sidecar.contract.server_settings import ServerSettings
from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.engines.kinds.llama_server_help import parse_help
from sidecar.engines.launch import Launch
from sidecar.logs.store import LogStore
from sidecar.servers.eviction import Need, Running, evictions
from sidecar.servers.server import Server
from sidecar.servers.server_manager import ServerManager
from tests import fake_engine
from tests.engines.listening import kept_busy
from tests.processes.programs import WAIT_SECONDS
from tests.servers.running import NoMemory, Stage, error_of, until, until_ready

pytestmark = pytest.mark.anyio


A, B, C = Running("a", 1.0), Running("b", 2.0), Running("c", 3.0)
BUSY_A = Running("a", 1.0, is_idle=False)


@pytest.mark.parametrize(
    ("need", "running", "evicted"),
    [
        (Need(), [], []),
        (Need(), [A, B], []),
        (Need(most=2), [A, B], []),
        (Need(most=1), [A, B], ["a"]),
        (Need(most=1), [C, A, B], ["a", "b"]),
        (Need(most=0), [C, A, B], ["a", "b", "c"]),
        (Need(fits=False), [B, A], ["a"]),
        (Need(fits=False), [], []),
        (Need(most=2, fits=False), [A, B], ["a"]),
        (Need(most=0, fits=False), [A, B], ["a", "b"]),
        # What is busy is passed over, and there may be nothing to evict.
        (Need(most=2), [BUSY_A, B, C], ["b"]),
        (Need(fits=False), [BUSY_A, C, B], ["b"]),
        (Need(fits=False), [BUSY_A], []),
        (Need(most=0), [BUSY_A, B], ["b"]),
    ],
)
async def test_as_many_are_evicted_as_must_be_the_longest_unasked_first(
    need: Need, running: list[Running], evicted: list[str]
) -> None:
    assert evictions(need, running) == evicted


class Fitting(NoMemory):
    """A launch fits where no more than `most` engines are loaded; `None` where that is not known."""

    def __init__(self) -> None:
        super().__init__()
        self.most: int | None = 1000
        self.fleet: ServerManager

    async def estimate(self, launch: Launch, *, quick: bool = False) -> MemoryEstimate:
        assert quick
        if self.most is None:
            raise ModelInvalid("no header")
        loaded = sum(server.pid is not None for server in self.fleet.all())
        return cast(MemoryEstimate, SimpleNamespace(fits=loaded < self.most, message="It does not fit."))


class Harbour:
    """A fleet that asks for room; see `Fitting`."""

    def __init__(self, stage: Stage, **config: Any) -> None:
        self.stage = stage
        self.config = EnginesConfig(stop_grace_seconds=1.0, max_restarts=0, **config)
        self.memory = Fitting()
        self.fleet = stage.manager(self.config, self.memory)
        self.memory.fleet = self.fleet

    async def ready(self, server_id: str) -> Server:
        server = self.fleet.start(server_id, ServerSettings(extra_args=[]))
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
        await first.ready_client().count_text("now the second is the one")
        await port.ready("third")
        assert port.states() == {"first": "ready", "second": "sleeping", "third": "ready"}


async def test_who_wakes_needs_room_as_well(tmp_path: Path, fake_llama_cpp: Path) -> None:
    async with harbour(tmp_path, fake_llama_cpp, max_loaded=1) as port:
        first, second = await port.ready("first"), await port.ready("second")
        for waking, other in ((first, second), (second, first)):
            assert (waking.state, other.state) == ("sleeping", "ready")
            await until_ready(waking)
        assert port.states() == {"first": "sleeping", "second": "ready"}


async def test_what_finds_no_room_when_it_is_woken_goes_on_sleeping_and_is_woken_by_the_next(
    tmp_path: Path, fake_llama_cpp: Path
) -> None:
    refused: list[str] = []

    async def wake() -> None:
        refused.append((await error_of(until_ready(first))).name)

    async with harbour(tmp_path, fake_llama_cpp, max_loaded=1) as port:
        first, second = await port.ready("first"), await port.ready("second")
        async with kept_busy(second.ready_client()):
            port.config.start_timeout_seconds = 0.1
            for _ in range(2):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(wake)
                    tasks.start_soon(wake)
                assert port.states() == {"first": "sleeping", "second": "ready"}
            assert first.is_usable
        assert refused == ["QUEUE_FULL"] * 4
        port.config.start_timeout_seconds = WAIT_SECONDS
        await until_ready(first)
        assert port.states() == {"first": "ready", "second": "sleeping"}


async def test_a_start_waits_until_one_of_those_that_answer_is_free(tmp_path: Path, fake_llama_cpp: Path) -> None:
    async with harbour(tmp_path, fake_llama_cpp, max_loaded=1) as port, anyio.create_task_group() as tasks:
        first = await port.ready("first")
        async with kept_busy(first.ready_client()):
            tasks.start_soon(port.ready, "second")
            await anyio.sleep(0.5)  # two looks at the first
            assert port.states() == {"first": "ready", "second": "planning"}
        await until(lambda: port.states() == {"first": "sleeping", "second": "ready"})


async def test_a_start_that_waits_for_too_long_says_so(tmp_path: Path, fake_llama_cpp: Path) -> None:
    async with harbour(tmp_path, fake_llama_cpp, max_loaded=1) as port:
        first = await port.ready("first")
        async with kept_busy(first.ready_client()):
            port.config.start_timeout_seconds = 0.3
            error = await error_of(port.ready("second"))
        assert (error.name, "max_loaded" in error.message, first.state) == ("QUEUE_FULL", True, "ready")


async def test_servers_sleep_one_by_one_until_a_launch_fits(tmp_path: Path, fake_llama_cpp: Path) -> None:
    async with harbour(tmp_path, fake_llama_cpp) as port:
        for name in ("first", "second", "third"):
            await port.ready(name)
        port.memory.most = 2
        await port.ready("fourth")
        assert port.states() == {"first": "sleeping", "second": "sleeping", "third": "ready", "fourth": "ready"}


async def test_what_does_not_fit_and_can_not_be_helped_is_left_to_the_engine(
    tmp_path: Path, fake_llama_cpp: Path
) -> None:
    async with harbour(tmp_path, fake_llama_cpp) as port:
        first = await port.ready("first")
        port.memory.most = 0
        async with kept_busy(first.ready_client()):
            await port.ready("second")
        assert port.states() == {"first": "ready", "second": "ready"}


async def test_nobody_makes_way_where_the_config_says_so(tmp_path: Path, fake_llama_cpp: Path) -> None:
    async with harbour(tmp_path, fake_llama_cpp, make_room=False) as port:
        await port.ready("first")
        port.memory.most = 0
        await port.ready("second")
        assert port.states() == {"first": "ready", "second": "ready"}


async def test_a_plan_that_can_not_be_made_lets_the_start_go_on(tmp_path: Path, fake_llama_cpp: Path) -> None:
    async with harbour(tmp_path, fake_llama_cpp) as port:
        await port.ready("first")
        port.memory.most = None
        await port.ready("second")
        assert port.states() == {"first": "ready", "second": "ready"}
