"""Work in a thread reports how far it is, ends with a cancel, and raises what it raises."""

from __future__ import annotations

import threading

import anyio
import anyio.from_thread
import pytest

from sidecar.contract.errors import Cancelled, DiskFull
from sidecar.contract.models import ModelWork
from sidecar.events.event_log import EventLog
from sidecar.jobs.work import Stopped, Work, run_in_thread

pytestmark = pytest.mark.anyio


def event(done: int, total: int) -> ModelWork:
    return ModelWork(done_bytes=done, total_bytes=total)


async def test_the_last_event_says_that_all_is_done_and_there_is_none_before_the_total_is_known() -> None:
    events = EventLog()

    def run(work: Work) -> str:
        work.done(0)
        assert events.last_seq == 0
        work.total_bytes = 3
        work.done(1)
        work.done(2)
        return "result"

    assert await run_in_thread(run, events=events, event=event) == "result"
    assert [entry for _, entry in events.read(0)] == [event(3, 3)]


async def test_a_total_that_is_known_is_shown_from_the_beginning() -> None:
    events = EventLog()
    begun = threading.Event()

    def run(work: Work) -> None:
        assert begun.wait(5)
        work.done(3)

    async with anyio.create_task_group() as tasks:

        async def work() -> None:
            await run_in_thread(run, events=events, event=event, total_bytes=3)

        shown = anyio.Event()
        events.follow(shown.set)
        tasks.start_soon(work)
        await shown.wait()
        assert [entry for _, entry in events.read(0)] == [event(0, 3)]
        begun.set()
    assert [entry for _, entry in events.read(0)][-1] == event(3, 3)


async def test_a_cancel_is_passed_on_and_answered_when_the_work_has_ended() -> None:
    running, ended = anyio.Event(), threading.Event()
    problems: list[Exception] = []

    def run(work: Work) -> None:
        anyio.from_thread.run_sync(running.set)
        assert work.stop.wait(5)
        ended.set()
        work.done(1)

    async def work() -> None:
        try:
            await run_in_thread(run, events=EventLog(), event=event)
        except Cancelled as problem:
            assert ended.is_set()
            problems.append(problem)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await running.wait()
        tasks.cancel_scope.cancel()
    assert len(problems) == 1


async def test_a_failure_is_raised_as_it_is() -> None:
    def run(work: Work) -> None:
        raise DiskFull("It is full.")

    with pytest.raises(DiskFull):
        await run_in_thread(run, events=EventLog(), event=event)


def test_work_that_is_to_stop_stops_at_its_next_count() -> None:
    work = Work(10)
    work.done(4)
    work.stop.set()
    with pytest.raises(Stopped):
        work.done(4)
    assert work.progress.done_bytes == 4
