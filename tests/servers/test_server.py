"""A server's life with a real process: every state, every end, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from sidecar.contract.errors import Cancelled, EngineNotFound, ModelNotFound, SidecarError
from sidecar.contract.server_settings import ServerSettings
from sidecar.contract.servers import ServerDetails, ServerInfo, ServerState, StartActual, StartDone, StartPlan
from sidecar.engines.client import engine_client as link_module
from sidecar.engines.client.engine_client import EngineClient, EngineGone
from sidecar.engines.kinds.llama_server import LlamaServer, LlamaServers
from sidecar.engines.launch import Launch
from sidecar.engines.lifecycle.engine_process import EngineProcess
from sidecar.events.event_log import status_of
from sidecar.logs.store import LogStore
from sidecar.servers.server import Server
from tests import fake_engine
from tests.engines.listening import Listening, listening
from tests.held_port import held_port
from tests.processes.programs import WAIT_SECONDS, halt, is_alive, seen_to_its_end, wait_until_gone
from tests.servers.running import SAMPLED_SECONDS, Stage, error_of, running, statuses, until

pytestmark = pytest.mark.anyio

STARTED: list[ServerState] = ["planning", "starting", "loading", "warming", "ready"]
EVENTS = ["queued", "planning", "starting", "loading", "warming", "done"]
TERMINAL = {"done", "error", "cancelled"}


@pytest.fixture
def stage(fake: LlamaServer, logs: LogStore, runtime_dir: Path) -> Stage:
    return Stage(fake, logs, runtime_dir)


@pytest.fixture
def stranger() -> Iterator[socket.socket]:
    """A program that is none of ours and listens on a port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def was_called(stranger: socket.socket) -> bool:
    try:
        connection, _ = stranger.accept()
    except BlockingIOError:
        return False
    connection.close()
    return True


async def old_build(folder: Path, *flags: str) -> LlamaServer:
    """A build that tells no progress and knows no sockets, as found and asked."""
    return await LlamaServers().in_folder(str(fake_engine.install(folder, "--old-build", *flags)))


def pids(file: Path) -> list[int]:
    """The processes that the fake engine has written down."""
    found: list[int] = json.loads(file.read_text())
    return found


def client_of(server: Server) -> EngineClient | None:
    """The client of its engine, where there is one."""
    return server.engine_run.client if server.engine_run is not None else None


def closed(server: Server) -> bool:
    """Whether the client of its engine is closed."""
    client = client_of(server)
    assert client is not None
    return client.closed


def process_of(server: Server) -> EngineProcess:
    """Its engine's process, which there is or was."""
    assert server.engine_run is not None
    assert server.engine_run.process is not None
    return server.engine_run.process


# --- a start ---


async def test_a_start_goes_through_its_states_and_tells_them(stage: Stage) -> None:
    server = stage.server(ctx_size=128, parallel=3)
    async with running(server):
        info = await server.started()
        assert (stage.states, statuses(server)) == (STARTED, EVENTS)
        run = server.engine_run
        assert run is not None
        assert run.process is not None
        assert server.actual is not None
        assert info == ServerInfo(
            server_id="test",
            state="ready",
            engine="llama-server",
            model="Tiny",
            model_path="/models/tiny.gguf",
            pid=run.process.pid,
            port=None,
            base_url=None,
            ctx_size=128,
            parallel=3,
            n_gpu_layers=-1,
            started_at=run.process.started_at,
            message="llama-server started successfully",
            plan=StartPlan(ctx_size=128, parallel=3, n_gpu_layers=-1, argv=run.command.argv, ignored=[]),
            actual=StartActual(
                shared_context=128,
                context_per_message=128,
                slots=3,
                load_ms=server.actual.load_ms,
                gpu_layers=None,
                total_layers=None,
                vision=False,
                build="fake",
            ),
            error=None,
            default=True,
        )
        _, done = server.events.read(0)[-1]
        members = {name: getattr(info, name) for name in ServerInfo.__struct_fields__}
        assert done == StartDone(**members)
        assert server.actual.load_ms > 0
    assert stage.states == [*STARTED, "stopping", "stopped"]
    assert (server.pid, stage.leftovers()) == (None, [])


@pytest.mark.case(38)
async def test_a_host_can_reach_the_engine_with_what_it_is_told(stage: Stage) -> None:
    on_socket, on_port = stage.server(), stage.server(host="127.0.0.1")
    async with running(on_socket, on_port):
        for server in (on_socket, on_port):
            await server.started()
            details = server.details()
            assert isinstance(details, ServerDetails)
            address = details.base_url or f"unix://{details.socket_path}"
            assert (details.base_url is None) == (server is on_socket)
            for key, refused in ((details.api_key, False), ("wrong", True)):
                link = EngineClient(address, key)
                try:
                    assert (await link.props()).build_info == "fake"
                    assert not refused
                except SidecarError:
                    assert refused
                link.close()
        assert on_port.details().port == int((on_port.details().base_url or "").rpartition(":")[2])


@pytest.mark.case(39)
async def test_the_key_stands_in_no_argument_no_log_and_no_info(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    server = stage.server()
    async with running(server):
        info = await server.started()
        key = server.details().api_key
        assert key is not None
        assert len(key) == 64
        shown = [str(psutil.Process(info.pid).cmdline()), str(info), str(server.events.read(0))]
        shown += [file.read_text() for file in (tmp_path / "logs").iterdir()]
        shown += caplog.messages
    assert [text for text in shown if key in text] == []


async def test_a_port_that_was_asked_for_is_used(stage: Stage) -> None:
    with held_port() as port:
        server = stage.server(port=port)
        async with running(server):
            info = await server.started()
            assert (info.port, info.base_url) == (port, f"http://127.0.0.1:{port}")


async def test_an_older_build_is_ready_when_its_health_is(stage: Stage, tmp_path: Path) -> None:
    stage.engine = await old_build(tmp_path / "old")
    server = stage.server("--ready-after", "0.2")
    async with running(server):
        info = await server.started()
        assert statuses(server) == ["queued", "planning", "starting", "loading", "done"]
        assert info.base_url == f"http://127.0.0.1:{info.port}"


async def test_where_a_sockets_path_is_too_long_a_port_is_used(stage: Stage) -> None:
    stage.runtime_dir = stage.runtime_dir / ("x" * 100)
    server = stage.server()
    async with running(server):
        assert (await server.started()).port is not None


# --- strangers ---


@pytest.mark.case(26)
async def test_what_a_model_writes_into_the_log_leads_to_no_stranger(
    stage: Stage, stranger: socket.socket, tmp_path: Path
) -> None:
    line = f"I srv  llama_server: listening on http://127.0.0.1:{stranger.getsockname()[1]}"
    stage.engine = await old_build(tmp_path / "old", "--say-on-load", line)
    server = stage.server("--ready-after", "0.3")
    async with running(server):
        info = await server.started()
        assert info.port != stranger.getsockname()[1]
    assert not was_called(stranger)


@pytest.mark.case(26)
@pytest.mark.parametrize("flags", [[], ["--unsupervised"]])
async def test_a_port_stolen_before_the_engine_binds_it_is_never_spoken_to(
    flags: list[str], stage: Stage, stranger: socket.socket
) -> None:
    server = stage.server(*flags, port=stranger.getsockname()[1])
    async with running(server):
        error = await error_of(server.started())
    assert (error.name, error.data["cause"]) == ("ENGINE_START_FAILED", "PORT_IN_USE")
    assert not was_called(stranger)


# --- failed starts ---


@pytest.mark.parametrize(
    ("flags", "cause", "exit_code"),
    [
        (["--exit-on-load", "3"], "UNKNOWN", 3),
        (["--exit-on-load", "0"], "UNKNOWN", 0),
        (["--exit-on-load", "1", "--say-on-load", "E load: unknown model architecture: 'x'"], "MODEL_NOT_SUPPORTED", 1),
        (["--exit-on-load", "1", "--say-on-load", "E alloc: failed to allocate CPU buffer"], "OUT_OF_MEMORY", 1),
        (["--abort-on-load"], "UNKNOWN", -signal.SIGABRT),
        (["--abort-on-load", "--unsupervised"], "UNKNOWN", -signal.SIGABRT),
        (["--no-such-flag"], "BAD_FLAG", 1),
    ],
)
async def test_an_engine_that_ends_while_it_loads_is_told_with_its_cause(
    flags: list[str], cause: str, exit_code: int, stage: Stage
) -> None:
    server = stage.server(*flags)
    async with running(server):
        error = await error_of(server.started())
        await until(lambda: server.state == "failed")
    assert (error.name, error.data["cause"], error.data["exit_code"]) == ("ENGINE_START_FAILED", cause, exit_code)
    assert error.data["log_tail"] == [line for line in error.data["log_tail"] if "cmd_child" not in line]
    assert (statuses(server)[-1], server.info().error is not None, server.pid) == ("error", True, None)
    assert stage.leftovers() == []


async def test_an_engine_killed_while_it_loads_was_killed(stage: Stage) -> None:
    server = stage.server("--stuck-at", "0.5")
    async with running(server):
        await until(lambda: "loading" in statuses(server))
        os.kill(server.pid or 0, signal.SIGKILL)
        error = await error_of(server.started())
    assert (error.name, error.data["cause"]) == ("ENGINE_START_FAILED", "KILLED")


async def test_a_program_that_is_gone_is_not_found(stage: Stage, fake_llama_cpp: Path) -> None:
    (fake_llama_cpp / "llama-server").unlink()
    server = stage.server()
    async with running(server):
        error = await error_of(server.started())
    assert isinstance(error, EngineNotFound)
    assert stage.states == ["planning", "starting", "failed"]


@pytest.mark.parametrize(
    "flags", [["--never-ready", "--unsupervised"], ["--stuck-at", "0.3"], ["--hang-on", "/health"]]
)
async def test_a_start_without_a_sign_of_life_is_given_up(
    flags: list[str], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "LOCAL_SECONDS", 0.1)
    server = stage.server(*flags, timeout=0.4)
    async with running(server):
        error = await error_of(server.started())
    assert (error.name, error.data["cause"], error.data["exit_code"]) == ("ENGINE_START_FAILED", "TIMEOUT", None)
    assert (server.pid, stage.leftovers()) == (None, [])


async def test_a_start_that_gets_on_may_take_as_long_as_it_likes(stage: Stage) -> None:
    server = stage.server("--ready-after", "5", "--stdout-progress", "20", timeout=SAMPLED_SECONDS)
    async with running(server):
        assert (await server.started()).state == "ready"


async def test_a_start_that_only_logs_is_borne_for_a_while_and_then_given_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.engines.lifecycle.loading.LOG_ONLY_FACTOR", 1.2)
    server = stage.server("--log-every", "0.02", timeout=SAMPLED_SECONDS)
    async with running(server):
        begun = anyio.current_time()
        error = await error_of(server.started())
        assert anyio.current_time() - begun > SAMPLED_SECONDS * 1.2
    assert (error.name, error.data["cause"], error.data["exit_code"]) == ("ENGINE_START_FAILED", "TIMEOUT", None)
    assert error.data["log_tail"][-1].endswith("I still loading")
    assert (server.pid, stage.leftovers()) == (None, [])


@pytest.mark.parametrize(
    ("flags", "cause", "exit_code"),
    [
        (["--die-on", "/props"], "UNKNOWN", 43),
        (["--garbage-on", "/props"], "UNKNOWN", None),
        (["--hang-on", "/props"], "UNKNOWN", None),
    ],
)
async def test_an_engine_that_does_not_say_what_it_is_has_not_started(
    flags: list[str], cause: str, exit_code: int | None, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(
        "sidecar.engines.lifecycle.engine_run.EXIT_NOTICE_SECONDS", 0.5 if exit_code is None else WAIT_SECONDS
    )
    server = stage.server(*flags)
    async with running(server):
        error = await error_of(server.started())
    assert (error.name, error.data["cause"], error.data["exit_code"]) == ("ENGINE_START_FAILED", cause, exit_code)
    assert "ready" not in stage.states
    assert (server.pid, stage.leftovers()) == (None, [])


async def test_what_the_plan_refuses_ends_the_start(stage: Stage) -> None:
    async def plan(settings: ServerSettings) -> Launch:
        raise ModelNotFound("There is no model.")

    server = stage.server(plan=plan)
    async with running(server):
        assert (await error_of(server.started())).name == "MODEL_NOT_FOUND"
    assert (stage.states, statuses(server)) == (["planning", "failed"], ["queued", "planning", "error"])
    assert server.info().message == "There is no model."


async def test_a_defect_of_ours_ends_one_server_and_no_other(stage: Stage) -> None:
    async def plan(settings: ServerSettings) -> Launch:
        raise ValueError("a defect with a secret in it")

    defective, sound = stage.server(plan=plan), stage.server()
    async with running(defective, sound):
        error = await error_of(defective.started())
        assert (await sound.started()).state == "ready"
    assert (error.name, "secret" in error.message) == ("INTERNAL_ERROR", False)
    assert sound.state == "stopped"


# --- stopping ---


@pytest.mark.parametrize("state", STARTED)
async def test_a_stop_in_any_state_ends_everything_and_is_answered_once(state: ServerState, stage: Stage) -> None:
    stopped = anyio.Event()

    async def stop(server: Server) -> None:
        await server.stop()
        stopped.set()

    def on_change(server: Server) -> None:
        if server.state == state:
            tasks.start_soon(stop, server)

    server = stage.server(on_change=on_change)
    async with running(server), anyio.create_task_group() as tasks:
        await stopped.wait()
        if state == "ready":
            assert (await error_of(server.started())).name == "CANCELLED"
        else:
            assert isinstance(await error_of(server.started()), Cancelled)
    ends = [status_of(event) for _, event in server.events.read(0) if status_of(event) in TERMINAL]
    assert ends == (["done"] if state == "ready" else ["cancelled"])
    reached = STARTED[: STARTED.index(state) + 1]
    assert [s for s in stage.states if s not in ("stopping", "stopped")][: len(reached)] == reached
    assert (stage.states[-1], server.info().error, server.info().message) == ("stopped", None, "llama-server stopped")
    assert (server.pid, stage.leftovers()) == (None, [])
    assert client_of(server) is None or closed(server)


@pytest.mark.parametrize("steps", [*range(12), 20, 40, 80, 160, 320])
async def test_a_stop_between_any_two_steps_leaves_nothing(steps: int, stage: Stage) -> None:
    links: list[EngineClient] = []
    server = stage.server("--stdout-progress", "1")
    async with running(server):
        for _ in range(steps):
            await asyncio.sleep(0)
        await server.stop()
    links += [client] if (client := client_of(server)) else []
    assert server.state == "stopped"
    assert (server.pid, stage.leftovers(), [link for link in links if not link.closed]) == (None, [], [])


@pytest.mark.case(24)
@pytest.mark.parametrize(
    ("flags", "state"), [(["--never-ready"], "warming"), (["--stuck-at", "0.5"], "loading"), ([], "ready")]
)
async def test_an_engine_that_will_not_end_is_killed_after_the_grace(
    flags: list[str], state: ServerState, stage: Stage, tmp_path: Path
) -> None:
    file = tmp_path / "pids"
    server = stage.server(
        *flags, "--ignore-term", "--fork-grandchild", "--fork-daemon", "--pid-file", str(file), grace=0.1
    )
    async with running(server):
        await until(lambda: server.state == state and file.exists())
        await server.stop()
        assert process_of(server).exit_code == -signal.SIGKILL
    for pid in pids(file):
        wait_until_gone(pid)
    assert stage.leftovers() == []


async def test_a_stop_before_anything_began_is_a_stop(stage: Stage) -> None:
    server = stage.server()
    server._scope.cancel()
    async with running(server):
        assert (await error_of(server.started())).name == "CANCELLED"
    assert server.engine_run is None or server.engine_run.process is None


async def test_the_end_of_the_whole_fleets_task_is_a_stop(stage: Stage) -> None:
    server = stage.server()
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.run)
            await server.started()
            tasks.cancel_scope.cancel()
    assert (server.state, server.pid, stage.leftovers()) == ("stopped", None, [])
    assert (await error_of(server.started())).name == "CANCELLED"


async def test_many_stops_at_once_all_wait_for_the_end(stage: Stage) -> None:
    server = stage.server()
    gone: list[bool] = []

    async def stop() -> None:
        await server.stop()
        gone.append(not is_alive(process_of(server).pid))

    async with running(server):
        await server.started()
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(stop)
    assert gone == [True] * 5


# --- crashes ---


@pytest.mark.case(21)
@pytest.mark.parametrize(("number", "cause"), [(signal.SIGKILL, "KILLED"), (signal.SIGSEGV, "UNKNOWN")])
async def test_an_engine_that_dies_in_use_has_crashed_for_everybody_who_uses_it(
    number: int, cause: str, stage: Stage, tmp_path: Path
) -> None:
    file = tmp_path / "pids"
    server = stage.server("--fork-grandchild", "--pid-file", str(file))
    async with running(server):
        await server.started()
        link = server.ready_client()
        body: dict[str, Any] = {"messages": [{"role": "user", "content": "hold-after=1"}]}
        async with listening(link, body) as answer:
            os.kill(server.pid or 0, number)
        assert answer.broken is not None
        error = await server.explain_broken_connection(answer.broken)
        assert (error.name, error.data["cause"], error.data["exit_code"]) == ("ENGINE_CRASHED", cause, -number)
        await until(lambda: server.state == "failed")
        with pytest.raises(SidecarError) as caught:
            server.ready_client()
        assert caught.value.name == "SERVER_NOT_RUNNING"
        with pytest.raises(EngineGone):
            await link.props()
    info = server.info()
    assert info.error is not None
    assert (info.state, info.pid, info.message, info.error.data["name"]) == ("failed", None, error.message, error.name)
    assert info.restarts == 0
    assert (stage.states[-2:], stage.leftovers()) == (["stopping", "failed"], [])
    for pid in pids(file):
        wait_until_gone(pid)


async def test_what_an_engine_said_before_it_ended_is_heard_even_if_its_end_is_noticed_with_it(stage: Stage) -> None:
    server = stage.server()
    async with running(server):
        await server.started()
        link, answer, pid = server.ready_client(), Listening(), server.pid or 0
        halt(pid)
        body: dict[str, Any] = {"messages": [{"role": "user", "content": "tokens=3 die-after=3"}]}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answer.listen, link, body)
            await answer.sent.wait()
            with seen_to_its_end(pid):  # standing still ourselves: its words and its end lie ready for the next turn
                os.kill(pid, signal.SIGCONT)
        assert [chunk.choices[0].delta.content for chunk in answer.chunks if chunk.choices] == ["w1 ", "w2 ", "w3 "]
        assert answer.broken is not None
        error = await server.explain_broken_connection(answer.broken)
        assert (error.name, error.data["exit_code"]) == ("ENGINE_CRASHED", 42)


async def test_nobody_is_given_a_closed_link(stage: Stage) -> None:
    seen: list[tuple[ServerState, bool]] = []

    def on_change(server: Server) -> None:
        if client_of(server) is not None:
            seen.append((server.state, closed(server)))

    server = stage.server(on_change=on_change)
    async with running(server):
        await server.started()
        os.kill(server.pid or 0, signal.SIGKILL)
        await until(lambda: server.state == "failed")
    warming = [("warming", False)] if seen[0][0] == "warming" else []  # it may have a client by then
    assert seen == [*warming, ("ready", False), ("stopping", False), ("failed", True)]


async def test_a_connection_that_only_breaks_is_not_taken_for_the_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.engines.lifecycle.engine_run.EXIT_NOTICE_SECONDS", 0.05)
    server = stage.server()
    async with running(server):
        await server.started()
        error = await server.explain_broken_connection(EngineGone("broken", server.ready_client()))
        assert (error.name, error.data["exit_code"], server.state) == ("ENGINE_CRASHED", None, "ready")


async def test_a_stop_explains_a_broken_connection(stage: Stage) -> None:
    server = stage.server()
    async with running(server):
        await server.started()
        broken = EngineGone("broken", server.ready_client())
        await server.stop()
        assert (await server.explain_broken_connection(broken)).name == "SERVER_NOT_RUNNING"


async def test_a_server_that_is_not_ready_gives_no_link(stage: Stage) -> None:
    server = stage.server("--never-ready")
    assert (server.info().state, server.info().plan, server.info().message) == ("queued", None, "Waiting to start.")
    async with running(server):
        await until(lambda: server.state == "warming")
        with pytest.raises(SidecarError) as caught:
            server.ready_client()
    assert caught.value.name == "SERVER_NOT_RUNNING"
