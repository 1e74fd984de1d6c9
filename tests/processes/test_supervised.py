"""A program that is kept running: what is logged of it, when it is started again, and that it ends with its task."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from sidecar.events.changes import Subscription
from sidecar.logs.store import LogStore, Source
from sidecar.processes import restart_policy
from sidecar.processes.command import Command
from sidecar.processes.errors import ProgramNotFound
from sidecar.processes.restart_policy import RestartPolicy
from sidecar.processes.supervised import ProcessState, SupervisedProcess
from tests.processes.programs import WAIT_SECONDS, is_alive, python

pytestmark = pytest.mark.anyio

ENDLESS = "print('on', flush=True); time.sleep(3600)"


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    logs = LogStore(tmp_path, max_file_bytes=65_536, kept_files=1)
    yield logs.source("helper")
    logs.close()


@asynccontextmanager
async def running(process: SupervisedProcess) -> AsyncIterator[Subscription[ProcessState]]:
    """A program that is supervised meanwhile, and the states that it enters."""
    with anyio.fail_after(WAIT_SECONDS), process.changes.subscribe() as states:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(process.run)
            yield states
            tasks.cancel_scope.cancel()


async def until(states: Subscription[ProcessState], state: str) -> ProcessState:
    async for entered in states:
        if entered.state == state:
            return entered
    raise AssertionError(f"it never was {state}")


async def test_its_output_and_its_end_are_logged(source: Source) -> None:
    process = SupervisedProcess(python("os.write(1, b'one\\ntwo'); os.write(2, b' too'); os._exit(3)"), source)
    with anyio.fail_after(WAIT_SECONDS):
        await process.run()
    assert source.tail(10) == ["one", "two too", "It ended with exit code 3."]
    assert process.state == ProcessState("ended", exit_code=3)


async def test_a_program_that_fails_is_started_again_until_the_policy_is_used_up(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart_policy, "PAUSES", (0.0, 0.0, 0.0))
    process = SupervisedProcess(python("os.write(1, b'up\\n'); os._exit(1)"), source, restarts=RestartPolicy(2))
    with anyio.fail_after(WAIT_SECONDS):
        await process.run()
    assert source.tail(100).count("up") == 3
    assert process.state == ProcessState("ended", exit_code=1, restarts=2)


async def test_a_program_that_has_done_its_work_is_not_started_again(source: Source) -> None:
    process = SupervisedProcess(python("print('done')"), source, restarts=RestartPolicy(2))
    with anyio.fail_after(WAIT_SECONDS):
        await process.run()
    assert source.tail(10) == ["done", "It ended with exit code 0."]


async def test_a_program_that_was_killed_runs_again(source: Source) -> None:
    process = SupervisedProcess(python(ENDLESS), source, restarts=RestartPolicy(1))
    async with running(process) as states:
        first = await until(states, "running")
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        second = await until(states, "running")
    assert (second.exit_code, second.restarts) == (-signal.SIGKILL, 1)
    assert second.pid is not None
    assert not is_alive(second.pid)


async def test_it_ends_with_the_task_that_keeps_it(source: Source) -> None:
    process = SupervisedProcess(python(f"print('last words', flush=True); {ENDLESS}"), source, grace_seconds=0)
    async with running(process) as states:
        started = await until(states, "running")
    assert started.pid is not None
    assert (process.state.state, is_alive(started.pid)) == ("ended", False)


async def test_a_program_that_is_not_there_is_reported(source: Source, tmp_path: Path) -> None:
    process = SupervisedProcess(Command([str(tmp_path / "nothing")]), source, restarts=RestartPolicy(2))
    with pytest.raises(ProgramNotFound):
        await process.run()
    assert process.state.state == "ended"
