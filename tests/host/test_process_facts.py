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

VALUE = f"größe={os.getpid()}"
"""Of a variable. Other tests run at the same time, and have such children, too."""

TOKEN = f"t{os.getpid()}"

NOBODY = 2**22 + 1
"""Above Linux' highest pid."""


@pytest.fixture(params=["as on Linux", "as elsewhere"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux" if request.param == "as on Linux" else "darwin")


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    env = {"MARK": VALUE, "XMARK": "other", "EMPTY": ""}
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


@pytest.mark.parametrize(("name", "value"), [("MARK", "{}"), ("EMPTY", ""), ("MAR", ""), ("ARK", "")])
def test_a_variable_is_the_one_of_exactly_that_name(child: subprocess.Popen[bytes], name: str, value: str) -> None:
    assert process_facts.variable(child.pid, name) == value.format(VALUE)


def test_a_process_whose_environment_is_not_reported_has_no_known_variable(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(psutil.Process, "environ", denied)
    monkeypatch.setattr("builtins.open", denied)
    assert process_facts.variable(child.pid, "MARK") is None


def born(child: subprocess.Popen[bytes]) -> str:
    birth = process_facts.birth(child.pid)
    assert birth is not None
    return birth


def test_a_process_is_killed_while_it_is_the_one_that_is_meant(child: subprocess.Popen[bytes]) -> None:
    assert not process_facts.kill(child.pid, born="earlier")
    assert child.poll() is None
    assert process_facts.kill(child.pid, born=born(child))
    assert child.wait() == -signal.SIGKILL


def test_a_process_that_ends_meanwhile_is_not_killed(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    meant = born(child)

    def ended_meanwhile(pid: int) -> str:
        child.kill()
        child.wait()
        return meant

    monkeypatch.setattr(process_facts, "birth", ended_meanwhile)
    assert not process_facts.kill(child.pid, born=meant)


@pytest.mark.parametrize(
    ("value", "is_found"),
    [("{}", True), ("{}1", False), ("{}/", False), ("größe", False), ("", False), ("other", False)],
)
def test_processes_are_found_by_the_value_of_a_variable(
    child: subprocess.Popen[bytes], value: str, is_found: bool
) -> None:
    assert (child.pid in process_facts.pids_with("MARK", value.format(VALUE))) is is_found


@pytest.mark.parametrize(
    ("value", "is_found"),
    [("{}/11", True), ("{}/", True), ("{}/1", False), ("{}", False), ("{}t/", False), ("/{}/", False), ("/", False)],
)
def test_a_value_with_a_slash_at_its_end_stands_for_all_that_begin_so(value: str, is_found: bool) -> None:
    program = "print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-S", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"MARK": f"{TOKEN}/11"},
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert process_facts.pids_with("MARK", value.format(TOKEN)) == ([process.pid] if is_found else [])
        process.kill()


def test_processes_with_a_value_are_killed_and_no_others(child: subprocess.Popen[bytes]) -> None:
    assert process_facts.kill_with("MARK", f"{VALUE}0") == set()
    assert process_facts.kill_with("MARK", VALUE) == {child.pid}
    assert child.wait() == -signal.SIGKILL


def test_the_facts_of_several_processes_are_those_of_each(child: subprocess.Popen[bytes]) -> None:
    gone = one_that_is_gone()
    facts = process_facts.facts_of([os.getpid(), gone], "MARK", also=VALUE)
    assert facts.keys() == {os.getpid(), child.pid}
    assert facts[child.pid] == (born(child), str(Path(sys.executable).resolve()), VALUE)


@pytest.mark.parametrize("pid", [-1, 0, 1, os.getpid(), NOBODY], ids=["no pid", "zero", "one", "ours", "nobody's"])
def test_no_process_and_all_processes_and_ours_are_not_killed(pid: int) -> None:
    assert not process_facts.kill(pid, born=(process_facts.birth(pid) or "") if pid >= 0 else "")


def test_a_kernel_without_process_descriptors_will_do(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", missing)
    assert not process_facts.kill(child.pid, born="earlier")
    assert process_facts.kill(child.pid, born=born(child))
    assert child.wait() == -signal.SIGKILL


def test_what_belongs_to_another_user_is_left_running(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(signal, "pidfd_send_signal", denied)
        patch.setattr(os, "kill", denied)
        assert not process_facts.kill(child.pid, born=born(child))
    assert child.poll() is None
    assert f"process {child.pid} is left running" in caplog.text


def test_the_system_is_the_same_one_all_the_time() -> None:
    assert process_facts.system() == process_facts.system()
