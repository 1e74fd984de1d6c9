"""Kernel facts that the sidecar leans on: who dies with whom, and who listens where."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from sidecar.host import process_tree

WAIT_SECONDS = 30.0
"""Longest wait for what is sure to happen."""

ROOT = Path(__file__).parents[2]

PARENT = """
import subprocess, sys
from sidecar.host import process_tree
sleep = [sys.executable, "-S", "-c", "import time; time.sleep(3600)"]
print(subprocess.Popen(sleep, **process_tree.spawn_options()).pid, flush=True)
sys.stdin.read()
"""


def parent() -> tuple[subprocess.Popen[bytes], psutil.Process]:
    """A process that has started a child as the sidecar does, and the child."""
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    return process, psutil.Process(int(process.stdout.readline()))


def close(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    process.wait(timeout=WAIT_SECONDS)


@pytest.mark.case(20)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_child_dies_with_its_parent_however_that_dies(number: int) -> None:
    process, child = parent()
    process.send_signal(number)
    close(process)
    child.wait(timeout=WAIT_SECONDS)


def test_a_child_dies_with_a_parent_that_simply_ends() -> None:
    process, child = parent()
    close(process)
    child.wait(timeout=WAIT_SECONDS)


def test_a_child_leads_a_group_and_a_session_of_its_own() -> None:
    process, child = parent()
    assert (os.getpgid(child.pid), os.getsid(child.pid)) == (child.pid, child.pid)
    close(process)
    child.wait(timeout=WAIT_SECONDS)


def sleeper(program: str = "import time; print(1, flush=True); time.sleep(3600)") -> subprocess.Popen[bytes]:
    """A child of ours that has come to life."""
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", program], stdout=subprocess.PIPE, **process_tree.spawn_options()
    )
    assert child.stdout is not None
    child.stdout.readline()
    return child


def test_terminate_and_kill_group_reach_the_child() -> None:
    for end, number in ((process_tree.terminate, signal.SIGTERM), (process_tree.kill_group, signal.SIGKILL)):
        child = sleeper()
        end(child.pid)
        close(child)
        assert child.returncode == -number


def test_a_tree_is_ended_with_those_that_have_left_its_group() -> None:
    child = sleeper(
        "import subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(3600)'], start_new_session=True)\n"
        "print(1, flush=True); time.sleep(3600)"
    )
    (below,) = process_tree.descendants(child.pid)
    process_tree.kill_tree(child.pid)
    close(child)
    below.wait(timeout=WAIT_SECONDS)


def test_what_is_gone_already_is_left_alone() -> None:
    child = sleeper("print(1, flush=True)")
    close(child)
    process_tree.terminate(child.pid)
    process_tree.kill_group(child.pid)
    process_tree.kill_tree(child.pid)
    assert process_tree.descendants(child.pid) == []
    assert process_tree.listening_ports(child.pid) == set()


@pytest.mark.parametrize("pid", [1, 0, -1])
def test_everybodys_processes_are_never_signalled(pid: int) -> None:
    for end in (process_tree.terminate, process_tree.kill_group):
        with pytest.raises(ValueError, match="refusing"):
            end(pid)


def test_the_ports_of_a_process_and_of_those_below_it_are_known() -> None:
    listen = (
        "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); "
        "print(s.getsockname()[1], flush=True); import sys; sys.stdin.read()"
    )
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {listen!r}])"
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", outer],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **process_tree.spawn_options(),
    )
    assert child.stdout is not None
    port = int(child.stdout.readline())
    assert process_tree.listening_ports(child.pid) == {port}
    close(child)


def test_a_connection_is_no_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        accepted: list[socket.socket] = []
        thread = threading.Thread(target=lambda: accepted.append(server.accept()[0]))
        thread.start()
        child = sleeper(
            f"import socket, time; s = socket.create_connection(('127.0.0.1', {port})); print(1, flush=True)\n"
            "time.sleep(3600)"
        )
        thread.join(timeout=WAIT_SECONDS)
        assert process_tree.listening_ports(child.pid) == set()
        child.kill()
        close(child)
        accepted[0].close()
