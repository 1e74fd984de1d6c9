"""Watching another process live."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import anyio
import psutil
import pytest

from sidecar.host import watch
from sidecar.host.watch import until_gone

pytestmark = pytest.mark.anyio

BOUND_SECONDS = 30


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "WATCH_INTERVAL_SECONDS", 0.01)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


async def test_the_end_of_a_process_is_noticed_even_before_it_is_reaped(sleeper: subprocess.Popen[bytes]) -> None:
    with anyio.fail_after(BOUND_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(until_gone, sleeper.pid)
            sleeper.kill()
    assert psutil.Process(sleeper.pid).status() == psutil.STATUS_ZOMBIE


async def test_a_process_that_lives_is_watched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = anyio.Event()
    count = 0
    born = watch._born

    def counted(pid: int) -> float | None:
        nonlocal count
        count += 1
        if count == 5:
            anyio.from_thread.run_sync(looks.set)
        return born(pid)

    monkeypatch.setattr(watch, "_born", counted)
    with anyio.fail_after(BOUND_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(until_gone, os.getpid())
            await looks.wait()
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("pid", [2**22 + 1, 2**31, 2**40, 2**70])
async def test_a_process_that_there_is_not_is_gone(pid: int) -> None:
    with anyio.fail_after(BOUND_SECONDS):
        await until_gone(pid)


async def test_a_pid_that_another_process_has_now_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    births = iter([100.0, 100.0, 200.0])
    monkeypatch.setattr(watch, "_born", lambda pid: next(births))
    with anyio.fail_after(BOUND_SECONDS):
        await until_gone(1)


def test_a_process_that_we_may_not_look_at_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(pid: int) -> None:
        raise psutil.AccessDenied(pid)

    monkeypatch.setattr(psutil, "Process", denied)
    assert watch._born(1) is not None
