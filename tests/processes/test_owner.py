"""What is done for every process that we start: tags, the watchdog, and the end of what is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sidecar.host import process_facts, process_tree
from sidecar.processes import owner as owner_module
from sidecar.processes import tags
from sidecar.processes.owner import ProcessOwner, Watchdog

WAIT_SECONDS = 30.0
ROOT = Path(__file__).parents[2]

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts sleeping processes with a tag."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(tag: str, program: str = "print(flush=True)") -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", f"{program}\nimport time; time.sleep(600)"],
            env={tags.VARIABLE: tag},
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def ignores(pid: int, number: signal.Signals) -> bool:
    """Whether a process takes no notice of a signal."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (mask,) = [line.partition(":")[2] for line in lines if line.startswith("SigIgn:")]
    return bool(int(mask, 16) >> (number - 1) & 1)


# --- tags ---


def test_a_token_is_one_that_registries_believe_and_never_the_same() -> None:
    import re

    assert re.fullmatch(tags.TOKEN_PATTERN, tags.new_token())
    assert tags.new_token() != tags.new_token()


def test_tagged_processes_are_ended_and_no_others(start: Start) -> None:
    token = tags.new_token()
    mine, sibling, other = start(f"{token}/1"), start(f"{token}/2"), start(f"{token}0/1")
    assert tags.end_tagged(f"{token}/1", seconds=WAIT_SECONDS) == {mine.pid}
    assert mine.wait(timeout=WAIT_SECONDS) == -9
    assert (sibling.poll(), other.poll()) == (None, None)
    assert tags.end_tagged(f"{token}/1", seconds=WAIT_SECONDS) == set()


def test_those_that_they_start_meanwhile_are_ended_too(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tags.new_token()
    first = start(f"{token}/1")
    later: list[subprocess.Popen[bytes]] = []
    kill_with = process_facts.kill_with

    def kill_and_be_succeeded(name: str, value: str) -> set[int]:
        killed = kill_with(name, value)
        if not later:
            later.append(start(f"{token}/1"))
        return killed

    monkeypatch.setattr(process_facts, "kill_with", kill_and_be_succeeded)
    assert tags.end_tagged(tags.run_of(token), seconds=WAIT_SECONDS) == {first.pid, later[0].pid}


def test_what_cannot_be_ended_is_given_up_after_a_time(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tags.new_token()
    process = start(f"{token}/1")
    monkeypatch.setattr(process_facts, "kill_with", lambda name, value: {process.pid})
    assert tags.end_tagged(tags.run_of(token), seconds=0.05) == {process.pid}


# --- the watchdog ---


def test_the_watchdog_ends_what_a_killed_program_has_left_and_then_itself(tmp_path: Path) -> None:
    program = (
        "import os, subprocess, sys, time\n"
        "from sidecar.processes import owner, tags\n"
        "token = tags.new_token()\n"
        "dog = owner.Watchdog(token); dog.ensure()\n"
        "env = {tags.VARIABLE: token + '/1'}\n"
        "sleep = [sys.executable, '-S', '-c', 'import time; time.sleep(600)']\n"
        "pids = [subprocess.Popen(sleep, env=env, start_new_session=True).pid for _ in range(3)]\n"
        "print(*pids, dog._shell.pid, flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    *pids, dog = map(int, process.stdout.readline().split())
    until(lambda: ignores(dog, signal.SIGTERM))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(dog, number)
    left = [psutil.Process(pid) for pid in (*pids, dog)]
    process.kill()
    process.communicate()
    assert psutil.wait_procs(left, timeout=WAIT_SECONDS)[1] == []


def watchdogs() -> list[psutil.Process]:
    """Those that wait; one that has ended may not be reaped yet."""
    waiting = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.name() == "sh" and child.status() != psutil.STATUS_ZOMBIE:
                waiting.append(child)
    return waiting


def test_a_dismissed_watchdog_ends_immediately_and_does_nothing(start: Start) -> None:
    token = tags.new_token()
    process = start(f"{token}/1")
    dog = Watchdog(token)
    dog.ensure()
    dog.ensure()
    (shell,) = watchdogs()
    dog.dismiss()
    dog.dismiss()
    assert not shell.is_running()
    assert process.poll() is None


def held_by(pid: int) -> list[str]:
    """What a process has open; also its libraries, while it loads them."""
    held = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            held.append(str(path.readlink()).split(":")[0])
    return sorted(held)


def test_a_watchdog_holds_nothing_but_its_pipe(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        dog = Watchdog(tags.new_token())
        dog.ensure()
        (shell,) = watchdogs()
        until(lambda: held_by(shell.pid) == ["/dev/null", "/dev/null", "pipe"])
        dog.dismiss()


def test_a_watchdog_that_was_killed_is_replaced() -> None:
    dog = Watchdog(tags.new_token())
    dog.ensure()
    (first,) = watchdogs()
    first.kill()
    until(lambda: first.status() == psutil.STATUS_ZOMBIE)
    dog.ensure()
    (second,) = watchdogs()
    assert first.pid != second.pid
    second.kill()
    until(lambda: second.status() == psutil.STATUS_ZOMBIE)
    dog.dismiss()


def test_a_system_without_a_shell_is_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(owner_module, "_SHELL", "/no/such/shell")
    dog = Watchdog(tags.new_token())
    fds = psutil.Process().num_fds()
    dog.ensure()
    dog.dismiss()
    assert "cannot be started" in caplog.text
    assert psutil.Process().num_fds() == fds


# --- the owner ---


@pytest.fixture
def guarded(tmp_path: Path) -> ProcessOwner:
    owner = ProcessOwner()
    owner.register_in(tmp_path / "processes.json")
    return owner


def test_what_a_process_leaves_behind_is_ended_and_struck_out(
    guarded: ProcessOwner, start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = guarded.prepare(), guarded.prepare()
    left, other = start(one), start(two)
    guarded.started(left.pid, one)
    guarded.started(other.pid, two)
    guarded.ended(one)
    assert left.wait(timeout=WAIT_SECONDS) == -9
    assert other.poll() is None
    assert [e["pid"] for e in json.loads((tmp_path / "processes.json").read_bytes())["processes"]] == [other.pid]
    assert f"left behind: {left.pid}" in caplog.text
    guarded.ended(two)
    assert other.wait(timeout=WAIT_SECONDS) == -9


def test_registry_and_watchdog_are_there_as_long_as_there_are_processes(guarded: ProcessOwner, tmp_path: Path) -> None:
    guarded.sweep()
    for _ in range(2):
        assert (watchdogs(), list(tmp_path.iterdir())) == ([], [])
        one, two = guarded.prepare(), guarded.prepare()
        guarded.ended(one)
        assert (len(watchdogs()), len(list(tmp_path.iterdir()))) == (1, 1)
        guarded.ended(two)
    guarded.close()
    assert (watchdogs(), list(tmp_path.iterdir())) == ([], [])


def test_what_still_lives_at_the_end_is_left_to_the_watchdog(
    guarded: ProcessOwner, start: Start, tmp_path: Path
) -> None:
    tag = guarded.prepare()
    process = start(tag)
    guarded.started(process.pid, tag)
    guarded.close()
    assert (process.poll(), (tmp_path / "processes.json").exists()) == (None, True)
    assert guarded._watchdog is not None
    assert guarded._watchdog._shell is not None
    guarded._watchdog._close()  # as our end does
    assert process.wait(timeout=WAIT_SECONDS) == -9
    guarded._watchdog._shell.wait(timeout=WAIT_SECONDS)
    guarded.ended(tag)


def test_what_was_overlooked_is_ended_at_the_orderly_end(guarded: ProcessOwner, start: Start) -> None:
    tag = guarded.prepare()
    guarded.ended(tag)
    process = start(tag)
    guarded.close()
    assert process.wait(timeout=WAIT_SECONDS) == -9


def test_a_program_that_is_no_sidecar_has_tags_and_no_more(start: Start) -> None:
    owner = ProcessOwner()
    owner.sweep()
    tag = owner.prepare()
    process = start(tag)
    owner.started(process.pid, tag)
    assert watchdogs() == []
    owner.ended(tag)
    owner.close()
    assert process.wait(timeout=WAIT_SECONDS) == -9


# --- the thread ---


def test_starting_a_process_on_another_thread_is_a_defect_that_is_loud() -> None:
    import threading

    caught: list[BaseException] = []

    def spawn() -> None:
        try:
            process_tree.spawn_options()
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=spawn)
    thread.start()
    thread.join(timeout=WAIT_SECONDS)
    assert len(caught) == 1
