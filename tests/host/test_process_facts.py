"""What the system says of a process; on Linux both ways of asking it must say the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sidecar.host import process_facts

NOBODY = 2**22 + 1
"""Above Linux' highest pid."""


@pytest.fixture(params=["as on Linux", "as elsewhere"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_facts, "IS_LINUX", request.param == "as on Linux")


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    env = {"MARK": "größe=1", "XMARK": "other", "EMPTY": ""}
    program = "print(flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def one_that_is_gone() -> int:
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    return process.pid


def make_zombie(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)


pytestmark = pytest.mark.usefixtures("way")


def test_all_processes_are_seen(child: subprocess.Popen[bytes]) -> None:
    assert {os.getpid(), child.pid} <= set(process_facts.pids())


def test_a_birth_stays_and_is_nobody_elses(child: subprocess.Popen[bytes]) -> None:
    assert process_facts.birth(child.pid) == process_facts.birth(child.pid)
    assert process_facts.birth(child.pid) != process_facts.birth(os.getppid())


def test_who_is_no_more_has_no_birth_no_program_and_no_variable(child: subprocess.Popen[bytes]) -> None:
    gone = one_that_is_gone()
    make_zombie(child)
    for pid in (gone, child.pid, NOBODY):
        assert process_facts.birth(pid) is None
        assert process_facts.program(pid) is None
        assert not process_facts.variable(pid, "MARK")


def test_the_program_is_the_file_itself(child: subprocess.Popen[bytes]) -> None:
    assert process_facts.program(child.pid) == str(Path(sys.executable).resolve())


@pytest.mark.parametrize(("name", "value"), [("MARK", "größe=1"), ("EMPTY", ""), ("MAR", ""), ("ARK", "")])
def test_a_variable_is_the_one_of_exactly_that_name(child: subprocess.Popen[bytes], name: str, value: str) -> None:
    assert process_facts.variable(child.pid, name) == value


def test_a_process_whose_environment_is_not_told_has_no_known_variable(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(psutil.Process, "environ", denied)
    monkeypatch.setattr("builtins.open", denied)
    assert process_facts.variable(child.pid, "MARK") is None


def test_a_process_is_ended_while_it_is_the_one_that_is_meant(child: subprocess.Popen[bytes]) -> None:
    assert not process_facts.end(child.pid, lambda: False)
    assert child.poll() is None
    assert process_facts.end(child.pid, lambda: True)
    assert child.wait() == -signal.SIGKILL


def test_a_process_that_changes_while_one_asks_is_not_ended(child: subprocess.Popen[bytes]) -> None:
    def ended_meanwhile() -> bool:
        child.kill()
        child.wait()
        return True

    assert not process_facts.end(child.pid, ended_meanwhile)


@pytest.mark.parametrize("pid", [-1, 0, 1, os.getpid(), NOBODY], ids=["no pid", "zero", "one", "ours", "nobody's"])
def test_nobody_and_everybody_and_we_are_not_ended(pid: int) -> None:
    assert not process_facts.end(pid, lambda: True)


def test_a_kernel_without_process_descriptors_will_do(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", missing)
    assert not process_facts.end(child.pid, lambda: False)
    assert process_facts.end(child.pid, lambda: True)
    assert child.wait() == -signal.SIGKILL


def test_what_belongs_to_another_user_is_left_running(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(signal, "pidfd_send_signal", denied)
        patch.setattr(os, "kill", denied)
        assert not process_facts.end(child.pid, lambda: True)
    assert child.poll() is None
    assert f"process {child.pid} is left running" in caplog.text


def test_the_system_is_the_same_one_all_the_time() -> None:
    assert process_facts.system() == process_facts.system()
