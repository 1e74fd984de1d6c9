"""However it ends: what is under way is answered, nothing is left running, the exit code is 0."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.app.talking import StartServer
from tests.busy import BUSY_SECONDS
from tests.raw_host import RawHost

EXIT_SECONDS = 5.0
"""The contract's promise, from the wish to the end."""


def rest(host: RawHost) -> list[str]:
    """Everything up to the end of stdout, in few words; what it means is checked as always."""
    found: list[str] = []
    while (line := host._lines.get(timeout=60)) is not None:
        message = json.loads(line)
        host._take_in(message)
        if "method" in message:
            params = message["params"]
            found.append(f"{params['channel']} {params['event']['status']}")
        else:
            name = message["error"]["data"]["name"] if "error" in message else message["result"]
            found.append(f"{message['id']}: {name}")
    return found


def wait_for_exit(host: RawHost) -> int:
    return host.process.wait(timeout=30)


def close_stdin(host: RawHost) -> None:
    host.close_stdin()


def terminate(host: RawHost) -> None:
    host.process.send_signal(signal.SIGTERM)


def interrupt(host: RawHost) -> None:
    host.process.send_signal(signal.SIGINT)


def shut_down(host: RawHost) -> None:
    host.send({"jsonrpc": "2.0", "id": "shutdown", "method": "shutdown"})


WAYS = [close_stdin, terminate, interrupt, shut_down]


def descendants(host: RawHost) -> list[psutil.Process]:
    return list(psutil.Process(host.process.pid).children(recursive=True))


# --- with nothing to do ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", WAYS)
def test_an_idle_sidecar_ends_at_once(data_dir: Path, end: Callable[[RawHost], None]) -> None:
    with RawHost(data_dir) as host:
        host.call("ping")
        end(host)
        assert rest(host) == (["shutdown: None"] if end is shut_down else [])
        assert wait_for_exit(host) == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_at_the_start_make_no_difference_to_the_end(data_dir: Path, closed: str) -> None:
    command = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "sidecar"]
    with RawHost(data_dir, command=command) as host:
        if closed == "2>&-":
            assert host.call("ping") == "pong"
        assert host.close() == 0


def test_a_request_that_the_end_of_stdin_follows_is_answered(data_dir: Path) -> None:
    with RawHost(data_dir) as host:
        host.send_bytes(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n{"jsonrpc":"2.0","id":2,"method":"ping"}\n')
        host.close_stdin()
        assert rest(host) == ["1: pong", "2: pong"]
        assert wait_for_exit(host) == 0


@pytest.mark.case(16)
def test_a_line_that_the_end_of_stdin_breaks_off_is_not_executed(data_dir: Path) -> None:
    with RawHost(data_dir) as host:
        host.call("ping")
        host.send_bytes(b'{"jsonrpc":"2.0","id":1,"method":"create_session","params":{"title":"half"}}')
        host.close_stdin()
        assert rest(host) == []
        assert wait_for_exit(host) == 0
    assert b"middle of a line" in host.stderr
    with RawHost(data_dir) as host:
        assert host.call("list_sessions")["sessions"] == []


def test_a_host_that_closes_stdout_is_gone(data_dir: Path) -> None:
    with RawHost(data_dir) as host:
        host.call("ping")
        host.stop_reading()
        host.begin("ping")  # ends the read that is under way
        host.go_on_reading()
        host.call("ping")
    read_fd, write_fd = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "sidecar", "--data-dir", str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=write_fd,
        stderr=subprocess.DEVNULL,
    )
    os.close(write_fd)
    os.close(read_fd)
    assert process.stdin is not None
    process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    process.stdin.flush()
    assert process.wait(timeout=30) == 0
    process.stdin.close()


def test_a_host_that_has_closed_stderr_is_served_and_left_in_peace(data_dir: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sidecar", "--data-dir", str(data_dir), "--log-level", "debug"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    process.stderr.close()
    out, _ = process.communicate(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\nhalf', timeout=30)
    assert json.loads(out)["result"] == "pong"
    assert process.returncode == 0


# --- with an answer under way ------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", WAYS)
def test_an_answer_under_way_ends_with_what_there_is_of_it(
    with_server: StartServer, data_dir: Path, end: Callable[[RawHost], None]
) -> None:
    host = with_server()
    engine = descendants(host)
    session = str(uuid.uuid4())
    host.call("subscribe", topics=["servers"], channel="sub")
    turn = host.begin("send_message", message="tokens=50 hold-after=5", session_id=session, channel="turn")
    host.until(lambda: "turn" in host.events and host.text("turn") == "w1 w2 w3 w4 w5 ")
    started = time.monotonic()
    end(host)
    said = rest(host)
    assert wait_for_exit(host) == 0
    assert time.monotonic() - started < EXIT_SECONDS + BUSY_SECONDS
    assert [word for word in said if word.startswith("turn")] == ["turn cancelled"]
    assert said.index("turn cancelled") < said.index(f"{turn}: CANCELLED") < said.index("sub done")
    assert said[-1] == ("shutdown: None" if end is shut_down else "sub done")
    error = host.answer(turn)["error"]
    assert (error["code"], error["data"]["partial"]) == (-32800, "w1 w2 w3 w4 w5 ")
    assert host.events["turn"][-1]["event"] == {
        **{"status": "cancelled", "partial": "w1 w2 w3 w4 w5 "},
        "session_id": session,
    }
    assert [e["seq"] for e in host.events["turn"]] == list(range(1, len(host.events["turn"]) + 1))
    assert not psutil.wait_procs(engine, timeout=0)[1]
    with RawHost(data_dir) as again:
        messages = again.call("get_messages", session_id=session)["messages"]
        assert [(m["role"], m["state"]) for m in messages] == [("user", "complete"), ("assistant", "interrupted")]
        assert messages[1]["content"] == "w1 w2 w3 w4 w5 "


@pytest.mark.parametrize("end", WAYS)
def test_a_start_under_way_ends_and_leaves_no_engine(
    data_dir: Path, with_server: StartServer, fake_llama_cpp: Path, end: Callable[[RawHost], None]
) -> None:
    host = with_server()
    start = host.begin(
        "start_llama_server",
        server_id="second",
        llama_cpp_path=str(fake_llama_cpp),
        extra_args=["--never-ready"],
        channel="start",
    )
    host.event("start", "loading")
    engines = descendants(host)
    assert len(engines) >= 2
    end(host)
    said = rest(host)
    assert wait_for_exit(host) == 0
    assert said.index("start cancelled") < said.index(f"{start}: CANCELLED")
    assert not psutil.wait_procs(engines, timeout=0)[1]


def test_shutdown_is_answered_when_the_engines_are_gone(with_server: StartServer) -> None:
    host = with_server("--fork-grandchild")
    engines = descendants(host)
    host.call("shutdown")
    assert not psutil.wait_procs(engines, timeout=0)[1]
    assert rest(host) == []
    assert wait_for_exit(host) == 0


@pytest.mark.case(24)
def test_an_engine_that_does_not_want_to_end_holds_nobody_up_for_long(with_server: StartServer) -> None:
    host = with_server("--ignore-term")
    engines = descendants(host)
    started = time.monotonic()
    host.close_stdin()
    assert rest(host) == []
    assert not psutil.wait_procs(engines, timeout=0)[1]
    assert time.monotonic() - started < EXIT_SECONDS - 1 + BUSY_SECONDS  # the grace of an engine at the end is 1 s
    assert wait_for_exit(host) == 0


@pytest.mark.parametrize("end", [close_stdin, terminate])
def test_a_host_that_reads_nothing_holds_nobody_up_for_long(data_dir: Path, end: Callable[[RawHost], None]) -> None:
    with RawHost(data_dir, validate=False) as host:
        host.call("ping")
        host.stop_reading()
        for number in range(200):  # 160 KB each
            host.send({"jsonrpc": "2.0", "id": f"d{number}", "method": "rpc.discover"})
        started = time.monotonic()
        end(host)
        assert wait_for_exit(host) == 0
        assert time.monotonic() - started < EXIT_SECONDS + BUSY_SECONDS


# --- the host's process ------------------------------------------------------------------------------------------


@pytest.mark.case(19)
@pytest.mark.parametrize("how", ["option", "initialize", "both"])
def test_the_end_of_the_hosts_process_is_the_end_although_its_pipes_are_open(data_dir: Path, how: str) -> None:
    somebody = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with RawHost(data_dir, *(["--host-pid", str(somebody.pid)] if how != "initialize" else [])) as host:
        if how != "option":
            for _ in range(3):
                host.call("initialize", host_pid=somebody.pid)
        host.call("ping")
        somebody.communicate()
        assert rest(host) == []
        assert wait_for_exit(host) == 0


@pytest.mark.parametrize("pid", [2**22 + 1, 2**40])
def test_a_host_process_that_there_is_not_is_gone(data_dir: Path, pid: int) -> None:
    with RawHost(data_dir, "--host-pid", str(pid)) as host:
        assert rest(host) == []
        assert wait_for_exit(host) == 0


# --- defects -----------------------------------------------------------------------------------------------------


def with_fault(tmp_path: Path, code: str) -> dict[str, str]:
    """An environment in which a sidecar has this fault, put in by Python itself at its start."""
    (tmp_path / "fault").mkdir()
    (tmp_path / "fault" / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": f"{tmp_path / 'fault'}{os.pathsep}{Path.cwd()}"}


def test_what_hangs_at_the_end_is_left_to_itself(data_dir: Path, tmp_path: Path) -> None:
    fault = (
        "import asyncio; from sidecar.storage.database import Database\n"
        "async def hang(self): await asyncio.Event().wait()\n"
        "Database.close = hang\n"
    )
    with RawHost(data_dir, env=with_fault(tmp_path, fault)) as host:
        host.call("ping")
        started = time.monotonic()
        host.close_stdin()
        assert wait_for_exit(host) == 0
        assert time.monotonic() - started < EXIT_SECONDS + BUSY_SECONDS


def test_a_defect_that_ends_everything_still_answers_what_is_under_way(data_dir: Path, tmp_path: Path) -> None:
    fault = (
        "import sidecar.services\n"
        "async def fail(pid): raise RuntimeError('a defect')\n"
        "sidecar.services.until_gone = fail\n"
    )
    with RawHost(data_dir, env=with_fault(tmp_path, fault)) as host:
        host.call("subscribe", topics=["servers"], channel="sub")
        host.begin("initialize", host_pid=os.getpid())
        assert "sub done" in rest(host)
        assert wait_for_exit(host) == 1
    assert b"a defect" in host.stderr
