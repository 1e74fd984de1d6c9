"""Engines live within bounds: of memory, of a cancel, of progress, and of their model's chat template."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from sidecar.contract.errors import EngineCrashed
from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.host.memory import own_bytes
from sidecar.logs.store import LogStore
from sidecar.processes import restart_policy
from sidecar.servers.memory import watch
from sidecar.servers.memory.watch import MemoryWatch, Use, is_short, to_end
from sidecar.servers.server import Server
from tests.processes.programs import is_alive
from tests.servers.running import NoMemory, Stage, running, until, until_ready

pytestmark = pytest.mark.anyio

GB = 10**9
MIB = 1024 * 1024


@pytest.fixture
def stage(fake: LlamaServer, logs: LogStore, runtime_dir: Path) -> Stage:
    return Stage(fake, logs, runtime_dir)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart_policy, "PAUSES", (0.0,) * len(restart_policy.PAUSES))


async def ask(server: Server, text: str) -> AsyncIterator[str]:
    """The pieces of an answer."""
    body = {"messages": [{"role": "user", "content": text}], "stream": True}
    async with server.ready_client().stream_chat(body) as stream:
        async for chunks in stream:
            for chunk in chunks:
                yield str(chunk)


# --- memory ------------------------------------------------------------------------------------------------


def test_a_machine_is_short_before_a_tenth_is_all_that_is_free() -> None:
    assert [is_short(free * GB, 100 * GB) for free in (50, 16, 14, 11)] == [False, False, True, True]


def test_the_engine_that_is_farthest_above_its_plan_is_ended_and_no_other() -> None:
    within, tiny = Use(used=8 * GB, plan=7 * GB), Use(used=1 * GB, plan=0)
    above, far_above = Use(used=4 * GB, plan=2 * GB), Use(used=9 * GB, plan=2 * GB)
    for uses, ended in (
        ([], None),
        ([within, tiny], None),
        ([within, above], 1),
        ([above, far_above, within], 1),
        ([far_above, above], 0),
    ):
        assert to_end(uses) == ended


async def test_an_engine_that_grows_while_memory_runs_out_is_ended_and_the_other_is_not(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine is said to have 300 MB, of which all but the memory of the engines is free."""
    monkeypatch.setattr(watch, "INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(watch, "LEAST_BYTES", 100 * MIB)
    monkeypatch.setattr(watch, "HEADROOM_BYTES", 0)
    grown, other = stage.server(max_restarts=1), stage.server()
    pids: dict[int, Server] = {}

    def free_bytes() -> int:
        return 300 * MIB - sum(own_bytes(pid) for pid in pids)

    memory = MemoryWatch(NoMemory(), free_bytes=free_bytes, usable_bytes=lambda: 300 * MIB, own_bytes=own_bytes)
    async with running(grown, other), anyio.create_task_group() as tasks:
        await grown.started()
        await other.started()
        for server in (grown, other):
            assert server.engine_run is not None
            assert server.pid is not None
            pids[server.pid] = server
            memory.add(server.server_id, server.engine_run)
        tasks.start_soon(memory.run)
        first = grown.pid
        assert first is not None
        client = grown.ready_client()
        with pytest.raises(Exception) as gone:
            async for _ in ask(grown, "grow=250 work=render"):
                pass
        reason = await grown.explain_broken_connection(gone.value)  # type: ignore[arg-type]
        assert isinstance(reason, EngineCrashed)
        assert reason.data["cause"] == "MEMORY_LIMIT"
        assert "'test' was ended" in reason.message
        assert "it used 0." in reason.message
        tasks.cancel_scope.cancel()
        await until(lambda: not is_alive(first))
        await until_ready(grown)
        assert grown.ready_client() is not client, "it was started again"
        assert (other.state, other.restarts) == ("ready", 0)
