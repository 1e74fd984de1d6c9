"""Watching another process live."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import anyio
import psutil
import pytest

from sidecar.host import process_facts, watch
from sidecar.host.watch import until_gone

pytestmark = pytest.mark.anyio

BOUND_SECONDS = 30


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that does not tell of an end, so that one has to look."""

    def none(pid: int) -> None:
        raise OSError(errno.ENOSYS, "not here")

    monkeypatch.setattr(watch, "_end_of", none)
    monkeypatch.setattr(watch, "WATCH_INTERVAL_SECONDS", 0.01)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


async def killed_while_watched(sleeper: subprocess.Popen[bytes]) -> float:
    """Kill a process that is being watched; how long that took to be noticed."""
    with anyio.fail_after(BOUND_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(until_gone, sleeper.pid)
            await anyio.wait_all_tasks_blocked()
            begun = time.monotonic()
            sleeper.kill()
    return time.monotonic() - begun


async def test_the_end_of_a_process_is_noticed_at_once_and_before_it_is_reaped(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "WATCH_INTERVAL_SECONDS", BOUND_SECONDS)
    took = await killed_while_watched(sleeper)
    assert psutil.Process(sleeper.pid).status() == psutil.STATUS_ZOMBIE
    assert took < watch.WATCH_INTERVAL_SECONDS / 2


@pytest.mark.usefixtures("looking")
async def test_where_the_system_does_not_tell_it_is_noticed_all_the_same(sleeper: subprocess.Popen[bytes]) -> None:
    await killed_while_watched(sleeper)
    assert psutil.Process(sleeper.pid).status() == psutil.STATUS_ZOMBIE


async def test_a_process_that_lives_is_watched_until_nobody_wants_to_know() -> None:
    before = psutil.Process().num_fds()
    with anyio.move_on_after(0.1) as scope:
        await until_gone(os.getpid())
    assert scope.cancelled_caught
    assert psutil.Process().num_fds() == before


@pytest.mark.usefixtures("looking")
async def test_a_process_that_lives_is_looked_for_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = anyio.Event()
    count = 0
    birth = process_facts.birth

    def counted(pid: int) -> str | None:
        nonlocal count
        count += 1
        if count == 5:
            anyio.from_thread.run_sync(looks.set)
        return birth(pid)

    monkeypatch.setattr(process_facts, "birth", counted)
    with anyio.fail_after(BOUND_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(until_gone, os.getpid())
            await looks.wait()
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1, 2**31, 2**40, 2**70])
async def test_a_process_that_there_is_not_is_gone_and_the_log_says_why(
    pid: int, caplog: pytest.LogCaptureFixture
) -> None:
    with anyio.fail_after(BOUND_SECONDS):
        await until_gone(pid)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert f"no process {pid} " in caplog.text


@pytest.mark.usefixtures("looking")
async def test_the_same_is_said_where_one_has_to_look(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with anyio.fail_after(BOUND_SECONDS):
        await until_gone(2**22 + 1)
    assert [record.levelno for record in caplog.records] == [logging.INFO, logging.ERROR]


@pytest.mark.usefixtures("looking")
async def test_a_pid_that_another_process_has_now_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    births = iter(["100", "100", "200"])
    monkeypatch.setattr(process_facts, "birth", lambda pid: next(births))
    with anyio.fail_after(BOUND_SECONDS):
        await until_gone(1)
