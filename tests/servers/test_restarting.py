"""What becomes of a server whose engine ends by itself, with a real process: it is started again, but not for ever."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import anyio
import pytest

from sidecar.contract.errors import ModelNotFound, PortInUse, QueueFull, SidecarError
from sidecar.contract.server_settings import ServerSettings
from sidecar.contract.servers import ServerInfo, ServerState
from sidecar.engines.client.engine_client import EngineGone
from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.engines.launch import Launch
from sidecar.engines.lifecycle import engine_run
from sidecar.events.event_log import status_of
from sidecar.logs.store import LogStore
from sidecar.processes import restart_policy
from sidecar.servers.server import Server
from tests.busy import BUSY_SECONDS
from tests.engines.listening import Listening, listening
from tests.held_port import held_port
from tests.processes.programs import WAIT_SECONDS, halt, is_alive
from tests.servers.running import SAMPLED_SECONDS, Stage, error_of, running, until, until_ready

pytestmark = pytest.mark.anyio

UP: list[ServerState] = ["planning", "starting", "loading", "warming", "ready"]
AGAIN: list[ServerState] = ["stopping", "queued", *UP]


@pytest.fixture
def stage(fake: LlamaServer, logs: LogStore, runtime_dir: Path) -> Stage:
    return Stage(fake, logs, runtime_dir)


@pytest.fixture
def starts(tmp_path: Path) -> Path:
    return tmp_path / "starts"


@pytest.fixture
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart_policy, "PAUSES", (0.0,) * len(restart_policy.PAUSES))


def pids(file: Path) -> list[int]:
    """The process of each start."""
    return [int(line) for line in file.read_text().splitlines()]


def kill(server: Server, number: int = signal.SIGKILL) -> None:
    assert server.pid is not None
    os.kill(server.pid, number)


async def ready_again(server: Server, count: int = 1) -> ServerInfo:
    await until(lambda: server.state == "ready" and server.restarts == count)
    return server.info()


async def broken_by(server: Server, number: int) -> EngineGone:
    """What somebody sees who is being answered while a signal ends the engine."""
    link = server.ready_client()
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "hold-after=1"}]}
    async with listening(link, body) as answer:
        kill(server, number)
    assert answer.broken is not None
    return answer.broken


# --- started again ---


@pytest.mark.case(21)
async def test_a_crashed_engine_is_started_again_at_once_and_all_of_it_is_shown(stage: Stage) -> None:
    shown: list[ServerInfo] = []
    server = stage.server(max_restarts=5, on_change=lambda server: shown.append(server.info()))
    async with running(server):
        first, details = await server.started(), server.details()
        begun = anyio.current_time()
        kill(server)
        second = await ready_again(server)
        assert anyio.current_time() - begun < (second.actual.load_ms / 1e3 if second.actual else 0) + BUSY_SECONDS
        assert stage.states == [*UP, *AGAIN]
        assert (second.pid != first.pid, is_alive(first.pid or 0)) == (True, False)
        assert (second.error, second.restarts, second.message) == (None, 1, first.message)
        assert (await server.started()).pid == second.pid
        # Whoever knew the old engine's key or address has no use for it.
        assert server.details().api_key != details.api_key
        assert server.details().socket_path != details.socket_path
        assert stage.leftovers() == [Path(server.details().socket_path or "").name]
        assert (await server.ready_client().props()).build_info == "fake"
    for info in shown[len(UP) : -3]:
        assert info.error is not None
        assert (info.error.data["name"], info.error.data["cause"], info.restarts) == ("ENGINE_CRASHED", "KILLED", 1)
        assert (info.model, info.ctx_size, info.actual) == (first.model, first.ctx_size, first.actual)
        assert info.error.message in info.message
    assert (shown[-1].state, shown[-1].error, stage.leftovers()) == ("stopped", None, [])
    # The channel of the start tells the start and no more.
    assert [status_of(event) for _, event in server.events.read(0)].count("done") == 1


async def test_the_next_engine_is_what_the_first_one_was(stage: Stage) -> None:
    asked: list[ServerSettings] = []

    async def plan(settings: ServerSettings) -> Launch:
        asked.append(settings)
        return stage.launch(settings)

    server = stage.server(plan=plan, max_restarts=5, threads=3)
    async with running(server):
        await server.started()
        kill(server)
        await ready_again(server)
    named = (asked[1].engine, asked[1].model_path, asked[1].ctx_size, asked[1].parallel, asked[1].threads)
    assert named == ("llama-server", "/models/tiny.gguf", 64, 2, 3)


async def test_a_port_that_was_asked_for_is_used_again(stage: Stage) -> None:
    with held_port() as port:
        server = stage.server(port=port, max_restarts=5)
        async with running(server):
            await server.started()
            kill(server)
            assert (await ready_again(server)).port == port


# --- not for ever ---


@pytest.mark.case(22)
@pytest.mark.usefixtures("_no_pauses")
async def test_an_engine_that_crashes_again_and_again_is_left_alone(stage: Stage, starts: Path) -> None:
    server = stage.server("--die-after-ready", "0.02", "--starts-file", str(starts), max_restarts=5)
    async with running(server):
        await until(lambda: server.state == "failed")
        info = server.info()
        assert info.error is not None
        assert (info.error.data["name"], info.error.data["exit_code"], info.restarts) == ("ENGINE_CRASHED", 44, 4)
        assert "4 times" in info.message
        assert "restart_server" in [remedy["action"] for remedy in info.error.data["remedies"]]
        assert len(pids(starts)) == 5
        assert stage.states == [*UP, *AGAIN * 4, "stopping", "failed"]
        with pytest.raises(SidecarError, match="failed"):
            server.ready_client()
    assert ([pid for pid in pids(starts) if is_alive(pid)], stage.leftovers()) == ([], [])


async def test_the_second_restart_of_a_row_waits_and_says_so(stage: Stage, starts: Path) -> None:
    flags = ["--die-after-ready", "0.02", "--starts-file", str(starts), "--faulty-starts", "1-2"]
    server = stage.server(*flags, max_restarts=5)
    async with running(server):
        await until(lambda: server.state == "queued" and server.restarts == 2)
        begun = anyio.current_time()
        assert (server.pid, server.info().message[:9]) == (None, "Waiting t")
        await until(lambda: server.state != "queued")
        assert anyio.current_time() - begun > restart_policy.PAUSES[1] / 2
        await ready_again(server, 2)


async def test_a_crash_whose_cause_will_come_again_is_the_end(stage: Stage, starts: Path) -> None:
    flags = ["--say-on-load", "E ggml: failed to allocate buffer", "--die-after-ready", "0.01"]
    server = stage.server(*flags, "--starts-file", str(starts), max_restarts=5)
    async with running(server):
        await until(lambda: server.state == "failed")
    assert isinstance(server.failure, SidecarError)
    assert (server.failure.name, server.failure.data["cause"]) == ("ENGINE_CRASHED", "OUT_OF_MEMORY")
    assert "ctx_size" in server.failure.remedies[0].params["names"]
    assert (server.restarts, len(pids(starts))) == (0, 1)


async def test_a_first_start_that_fails_is_not_tried_again(stage: Stage, starts: Path) -> None:
    server = stage.server("--exit-on-load", "3", "--starts-file", str(starts), max_restarts=5)
    async with running(server):
        assert (await error_of(server.started())).name == "ENGINE_START_FAILED"
        await until(lambda: server.state == "failed")
    assert len(pids(starts)) == 1


@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize("fault", [["--exit-on-load", "3"], ["--abort-on-load"], ["--stuck-at", "0.5"]])
async def test_a_restart_whose_load_fails_counts_as_a_crash_and_is_tried_again(
    fault: list[str], stage: Stage, starts: Path
) -> None:
    timeout = SAMPLED_SECONDS if "--stuck-at" in fault else WAIT_SECONDS
    flags = [*fault, "--starts-file", str(starts), "--faulty-starts", "2-2"]
    server = stage.server(*flags, max_restarts=5, timeout=timeout, grace=0.1)
    async with running(server):
        await server.started()
        kill(server)
        assert (await ready_again(server, 2)).error is None
        assert len(pids(starts)) == 3
    assert [pid for pid in pids(starts) if is_alive(pid)] == []


async def test_a_restart_whose_load_can_not_succeed_is_the_end(stage: Stage, starts: Path) -> None:
    fault = ["--exit-on-load", "1", "--say-on-load", "E load: unknown model architecture: 'x'"]
    server = stage.server(*fault, "--starts-file", str(starts), "--faulty-starts", "2-9", max_restarts=5)
    async with running(server):
        await server.started()
        kill(server)
        await until(lambda: server.state == "failed")
    assert isinstance(server.failure, SidecarError)
    assert (server.failure.name, server.failure.data["cause"]) == ("ENGINE_START_FAILED", "MODEL_NOT_SUPPORTED")
    assert ("once" in server.failure.message, len(pids(starts))) == (True, 2)


@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize(
    ("refusal", "state"),
    [
        (ModelNotFound("It is gone."), "failed"),
        (PortInUse("It is taken.", port=1), "ready"),
        (QueueFull("There is no room."), "failed"),
    ],
)
async def test_a_plan_that_is_refused_is_the_end_unless_it_may_pass(
    refusal: SidecarError, state: ServerState, stage: Stage
) -> None:
    plans = 0

    async def plan(settings: ServerSettings) -> Launch:
        nonlocal plans
        plans += 1
        if plans == 2:
            raise refusal
        return stage.launch(settings)

    server = stage.server(plan=plan, max_restarts=5)
    async with running(server):
        await server.started()
        kill(server)
        await until(lambda: server.state == state and plans > 1)
        assert plans == (2 if state == "failed" else 3)
        error = server.info().error
        assert (error.data["name"] if error else None) == (refusal.name if state == "failed" else None)


# --- stopped meanwhile ---


@pytest.mark.usefixtures("_long_pauses")
@pytest.mark.parametrize("state", AGAIN)
async def test_a_stop_at_any_moment_of_a_restart_is_the_end_of_it(
    state: ServerState, stage: Stage, starts: Path
) -> None:
    stopped = anyio.Event()

    async def stop(server: Server) -> None:
        await server.stop()
        stopped.set()

    def on_change(server: Server) -> None:
        if server.state == state and server.restarts and not stopping:
            stopping.append(state)
            tasks.start_soon(stop, server)

    stopping: list[ServerState] = []
    server = stage.server("--starts-file", str(starts), max_restarts=5, on_change=on_change)
    async with running(server), anyio.create_task_group() as tasks:
        await server.started()
        kill(server)
        await stopped.wait()
        assert (await error_of(server.started())).name == "CANCELLED"
    assert (server.state, server.info().error, server.info().message) == ("stopped", None, "llama-server stopped")
    assert ([pid for pid in pids(starts) if is_alive(pid)], stage.leftovers()) == ([], [])


@pytest.fixture
def _long_pauses(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if request.node.callspec.params["state"] == "queued":
        monkeypatch.setattr(restart_policy, "PAUSES", (3600.0,) * len(restart_policy.PAUSES))


# --- those who were being answered, and those who come meanwhile ---


@pytest.mark.case(21)
async def test_each_is_told_how_the_engine_ended_that_was_answering_however_late_it_asks(stage: Stage) -> None:
    server = stage.server(max_restarts=5)
    async with running(server):
        await server.started()
        first = await broken_by(server, signal.SIGSEGV)
        assert (await server.explain_broken_connection(first)).data["exit_code"] == -signal.SIGSEGV
        await ready_again(server)
        second = await broken_by(server, signal.SIGKILL)
        await ready_again(server, 2)
        for broken, number in ((first, signal.SIGSEGV), (second, signal.SIGKILL)):
            error = await server.explain_broken_connection(broken)
            assert (error.name, error.data["exit_code"]) == ("ENGINE_CRASHED", -number)


@pytest.mark.case(21)
async def test_a_crash_is_found_within_half_a_second(stage: Stage) -> None:
    server = stage.server()
    async with running(server):
        await server.started()
        begun = anyio.current_time()
        broken = await broken_by(server, signal.SIGSEGV)
        assert (await server.explain_broken_connection(broken)).name == "ENGINE_CRASHED"
        assert anyio.current_time() - begun < 0.5 + BUSY_SECONDS


async def test_who_comes_meanwhile_is_told_to_come_again(stage: Stage, starts: Path) -> None:
    server = stage.server("--stuck-at", "0.5", "--starts-file", str(starts), "--faulty-starts", "2-2", max_restarts=5)
    async with running(server):
        await server.started()
        kill(server)
        await until(lambda: server.restarts and server.state == "loading")
        with pytest.raises(SidecarError) as caught:
            server.ready_client()
    assert (caught.value.name, "being restarted" in caught.value.message) == ("SERVER_NOT_RUNNING", True)
    assert "once the server is ready" in caught.value.hint


@pytest.mark.parametrize("end", ["ready", "failed", "stopping"])
async def test_who_waits_for_the_restart_waits_until_it_is_over(end: str, stage: Stage, starts: Path) -> None:
    faults = {"ready": [], "failed": ["--no-such-flag"], "stopping": ["--stuck-at", "0.5"]}[end]
    server = stage.server(max_restarts=5)
    waited: list[ServerState] = []

    async def wait() -> None:
        await until_ready(server)
        waited.append(server.state)

    async with running(server):
        await server.started()
        await wait()
        assert server.settings.extra_args is not None
        server.settings.extra_args.extend(faults)
        kill(server)
        await until(lambda: server.state != "ready")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            if end == "stopping":
                await until(lambda: server.state == "loading")
                assert waited == ["ready"]
                await server.stop()
    assert waited == ["ready", end]


# --- standing still ---


@pytest.fixture
def _asked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_run, "LIVENESS_INTERVAL_SECONDS", 0.05)


@pytest.mark.case(23)
@pytest.mark.usefixtures("_asked_often")
async def test_an_engine_that_stands_still_is_found_ended_and_started_again(stage: Stage) -> None:
    server = stage.server(health=1, max_restarts=5)
    async with running(server):
        first = await server.started()
        link = server.ready_client()
        body: dict[str, Any] = {"messages": [{"role": "user", "content": "stall-after=1"}]}
        async with listening(link, body) as answer:
            halt(first.pid or 0)
        assert answer.broken is not None
        error = await server.explain_broken_connection(answer.broken)
        assert (error.name, error.retryable, "for 1 s" in error.message) == ("ENGINE_UNRESPONSIVE", True, True)
        second = await ready_again(server)
        assert (is_alive(first.pid or 0), second.pid != first.pid) == (False, True)


@pytest.mark.usefixtures("_asked_often")
async def test_an_engine_that_works_hard_is_not_taken_for_one_that_stands_still(stage: Stage) -> None:
    server = stage.server(health=1, max_restarts=5)
    async with running(server):
        first = await server.started()
        body: dict[str, Any] = {"messages": [{"role": "user", "content": "tokens=20 delay=0.02"}]}
        await Listening().listen(server.ready_client(), body)
        await anyio.sleep(0.2)  # idle: it is asked, and answers
        assert (server.state, server.pid, server.restarts) == ("ready", first.pid, 0)


@pytest.mark.usefixtures("_asked_often")
async def test_an_engine_that_answers_nothing_any_more_is_found_although_it_runs(stage: Stage, starts: Path) -> None:
    flags = ["--hang-after-ready", "--starts-file", str(starts), "--faulty-starts", "1-1"]
    server = stage.server(*flags, health=1, max_restarts=5)
    async with running(server):
        await server.started()
        await ready_again(server)
        assert len(pids(starts)) == 2
