"""A server whose engine ends because nobody asks it, and starts again when somebody does; with real processes."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from sidecar.contract.errors import ServerNotRunning
from sidecar.contract.servers import ServerState
from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.logs.store import LogStore
from sidecar.servers.server import Server
from tests.engines.listening import kept_busy, listening
from tests.processes.programs import is_alive
from tests.servers.running import NoMemory, Stage, error_of, running, until, until_ready

pytestmark = pytest.mark.anyio

UP: list[ServerState] = ["planning", "starting", "loading", "warming", "ready"]

SOON_SECONDS = 0.05
LATE_SECONDS = 3600.0


@pytest.fixture
def stage(fake: LlamaServer, logs: LogStore, runtime_dir: Path) -> Stage:
    return Stage(fake, logs, runtime_dir)


async def test_an_engine_that_nobody_asks_ends_and_nothing_of_it_is_left(stage: Stage) -> None:
    server = stage.server(idle_seconds=SOON_SECONDS)
    async with running(server):
        pid = (await server.started()).pid
        assert pid is not None
        await until(lambda: server.state == "sleeping")
        assert (is_alive(pid), stage.leftovers(), server.is_usable) == (False, [], True)
        info = server.info()
        assert (info.pid, info.error, info.message) == (
            None,
            None,
            "Sleeping; the next message starts its engine again.",
        )
        assert info.actual is not None  # what it was is still known
    assert stage.states == [*UP, "stopping", "sleeping", "stopped"]


async def test_all_who_need_it_wake_one_engine_and_wait_for_it(stage: Stage) -> None:
    server = stage.server(idle_seconds=LATE_SECONDS)
    async with running(server):
        await server.started()
        assert await server.sleep()
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(until_ready, server)
        async with listening(server.ready_client(), {"messages": [{"role": "user", "content": "tokens=2"}]}) as answer:
            pass
        assert (answer.broken, server.state, server.restarts) == (None, "ready", 0)
    assert stage.states == [*UP, "stopping", "sleeping", "queued", *UP, "stopping", "stopped"]


async def test_what_each_engine_takes_of_memory_is_observed_once_it_is_ready(stage: Stage) -> None:
    server = stage.server(idle_seconds=LATE_SECONDS)
    async with running(server):
        first = (await server.started()).pid
        await until(lambda: observed_of(server) == [first])
        assert await server.sleep()
        await until_ready(server)
        await until(lambda: observed_of(server) == [first, server.pid])


def observed_of(server: Server) -> list[int]:
    """The processes whose memory was to be remembered."""
    memory = server._services.memory
    assert isinstance(memory, NoMemory)
    return memory.observed


async def test_an_engine_that_is_answering_does_not_sleep(stage: Stage) -> None:
    server = stage.server(idle_seconds=SOON_SECONDS)
    async with running(server):
        await server.started()
        async with kept_busy(server.ready_client()):
            assert not await server.sleep()
            await anyio.sleep(SOON_SECONDS * 4)  # well past its time
            assert server.state == "ready"
        await until(lambda: server.state == "sleeping")


async def test_from_the_moment_it_lies_down_nobody_is_given_the_way_to_it(stage: Stage) -> None:
    server = stage.server("--ignore-term", grace=0.5, idle_seconds=LATE_SECONDS)
    async with running(server):
        await server.started()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.sleep)
            await until(lambda: server.asleep)
            with pytest.raises(ServerNotRunning):
                server.ready_client()
            server.check_usable()  # a message may be sent all the same, and waits
            await until_ready(server)
        assert server.engine_run is not None
        assert server.ready_client() is server.engine_run.client


async def test_what_can_not_be_woken_has_failed_with_the_reason(stage: Stage) -> None:
    server = stage.server(idle_seconds=LATE_SECONDS)
    async with running(server):
        await server.started()
        assert await server.sleep()
        assert server.settings.extra_args is not None
        server.settings.extra_args.append("--no-such-flag")
        await until_ready(server)
        assert server.state == "failed"
        with pytest.raises(ServerNotRunning, match="one of its flags"):
            server.ready_client()


async def test_a_sleeping_server_can_be_stopped(stage: Stage) -> None:
    server = stage.server(idle_seconds=LATE_SECONDS)
    async with running(server):
        await server.started()
        assert await server.sleep()
        await server.stop()
        assert (server.state, server.is_usable) == ("stopped", False)
        assert (await error_of(server.started())).name == "CANCELLED"


async def test_one_on_a_port_of_its_own_is_there_for_others_and_never_sleeps(stage: Stage) -> None:
    server = stage.server(idle_seconds=SOON_SECONDS, host="127.0.0.1")
    async with running(server):
        await server.started()
        assert not await server.sleep()
        await anyio.sleep(SOON_SECONDS * 4)
        assert server.state == "ready"
