"""Engines live within bounds: of memory, of a cancel, of progress, and of their model's chat template."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from sidecar.contract.errors import EngineCrashed, EngineStartFailed, EngineUnresponsive
from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.engines.lifecycle import engine_run, progress
from sidecar.engines.lifecycle.progress import Sample, Standstill
from sidecar.generation import settling
from sidecar.generation.settling import Settled
from sidecar.host.activity import Activity
from sidecar.host.memory import own_bytes
from sidecar.logs.store import LogStore
from sidecar.processes import restart_policy
from sidecar.servers.memory import watch
from sidecar.servers.memory.watch import MemoryWatch, Use, is_short, to_end
from sidecar.servers.server import Server
from tests.generation.test_generation import desk_on, step
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


# --- a cancel ----------------------------------------------------------------------------------------------


async def test_a_cancel_does_not_call_an_engine_idle_that_renders_without_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No slot is busy meanwhile, so that the engine seems idle; it is ended, and another one is started."""
    monkeypatch.setattr(settling, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(settling, "WORKING_SECONDS", 0.2)
    async with desk_on(stage, parallel=1, max_restarts=1) as desk:
        asked = desk.generate("work=render")
        async with aclosing(asked.steps()) as steps:
            await step(steps, lambda: asked.is_sent)
        first = desk.server.pid
        assert first is not None
        assert await desk.server.ready_client().busy_slots() == 0
        assert await desk.generator.settle(desk.server) == Settled(idle=True, ended=True)
        assert not is_alive(first)
        await until_ready(desk.server)
        assert (await desk.generate("tokens=1").finish()).content == "w1 "
        assert desk.server.restarts == 1


async def test_an_engine_with_another_request_or_a_batch_under_way_is_not_ended_by_a_cancel(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(settling, "WORKING_SECONDS", 0.2)
    async with desk_on(stage, "--idle-after", "60", parallel=2) as desk:
        asked = desk.generate("tokens=9 hold-after=1")
        async with aclosing(asked.steps()) as steps:
            await step(steps, lambda: asked.answer.content == "w1 ")
        assert await desk.generator.settle(desk.server) == Settled(idle=False)
        assert desk.server.state == "ready"


# --- progress ----------------------------------------------------------------------------------------------


def seconds_until_stuck(
    sample: Callable[[int], Sample], *, threads: int | None = 4, on_gpu: bool = False
) -> float | None:
    """When an engine with these samples, one every ten seconds, is taken for stuck; within half an hour."""
    standstill = Standstill(threads=threads, on_gpu=on_gpu)
    for i in range(180):
        if standstill.seconds_without(sample(i), i * 10.0) is not None:
            return i * 10.0
    return None


def test_a_busy_slot_without_progress_is_a_stuck_engine_and_a_long_batch_is_not() -> None:
    def works(i: int, count: int, *, busy: int | None = None, events: int = 1, read: int = 0) -> Sample:
        doing = Activity({n: i * 9.0 if n < count else 0.0 for n in range(6)}, 1 + i * read)
        return Sample(events=events, busy=busy, slots=b"same", activity=doing)

    found = {
        "a schema on one thread": seconds_until_stuck(lambda i: works(i, 1)),
        "the same beside a GPU": seconds_until_stuck(lambda i: works(i, 1), on_gpu=True),
        "nothing works": seconds_until_stuck(lambda i: works(i, 0)),
        "a template": seconds_until_stuck(lambda i: works(i, 3, busy=0)),
        "a long batch": seconds_until_stuck(lambda i: works(i, 4)),
        "the same on the only thread": seconds_until_stuck(lambda i: works(i, 1), threads=1),
        "a token now and then": seconds_until_stuck(lambda i: works(i, 1, events=i // 5)),
        "a model that is read again": seconds_until_stuck(lambda i: works(i, 1, read=9 * MIB)),
        "threads that are not shown": seconds_until_stuck(lambda _: Sample(events=1)),
    }
    assert found == {
        "a schema on one thread": 70.0,
        "the same beside a GPU": 190.0,
        "nothing works": 70.0,
        "a template": 70.0,
        "a long batch": 910.0,
        "the same on the only thread": 910.0,
        "a token now and then": None,
        "a model that is read again": None,
        "threads that are not shown": 910.0,
    }


async def test_an_engine_that_makes_no_progress_is_ended_and_its_answer_says_so(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(progress, "SILENT_SECONDS", 0.05)
    async with desk_on(stage, parallel=1, max_restarts=1) as desk:
        with pytest.raises(EngineUnresponsive) as stuck:
            await desk.generate("tokens=9 stall-after=1").finish()
        assert "no progress" in stuck.value.message
        await until_ready(desk.server)
        assert (await desk.generate("tokens=1").finish()).content == "w1 "


# --- the chat template -------------------------------------------------------------------------------------


async def test_a_template_that_does_not_end_fails_the_start_and_says_so(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_run, "TEMPLATE_SECONDS", 0.2)
    props = tmp_path / "props.json"
    props.write_text('{"chat_template": "{% for message in messages %}{{ message.content }}{% endfor %}"}')
    server = stage.server("--props", str(props), "--hang-on", "/apply-template")
    async with running(server):
        with pytest.raises(EngineStartFailed) as failed:
            await server.started()
        assert failed.value.data["cause"] == "TEMPLATE_INVALID"
        assert "does not end" in failed.value.message
        await until(lambda: server.pid is None)
    assert server.state == "failed"


async def test_an_engine_that_cannot_try_its_template_is_used_all_the_same(stage: Stage, tmp_path: Path) -> None:
    props = tmp_path / "props.json"
    props.write_text('{"chat_template": "{{ messages }}"}')
    server = stage.server("--props", str(props))
    async with running(server):
        await server.started()
        assert server.state == "ready"
