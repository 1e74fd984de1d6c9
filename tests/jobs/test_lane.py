"""So many jobs have their turn as the limit says, in their order, and those of a higher priority first."""

from __future__ import annotations

import anyio
import anyio.abc
import pytest

from sidecar.jobs.job import Job
from sidecar.jobs.lane import Lane
from sidecar.jobs.store import JobRecord

pytestmark = pytest.mark.anyio


class Queue:
    """Jobs in a lane, each of which ends when the test says so.

    Attributes:
        began: the names of those that had their turn, in their order.
    """

    def __init__(self, lane: Lane, tasks: anyio.abc.TaskGroup) -> None:
        self.lane = lane
        self.began: list[str] = []
        self._tasks = tasks
        self._ends: dict[str, anyio.Event] = {}
        self._jobs: dict[str, Job[JobRecord]] = {}

    async def add(self, *names: str, priority: int = 0) -> None:
        for name in names:
            self._jobs[name] = Job(JobRecord(), kind="test", priority=priority)
            self._ends[name] = anyio.Event()
            self._tasks.start_soon(self._run, name)
            await anyio.wait_all_tasks_blocked()

    async def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()
            await anyio.wait_all_tasks_blocked()

    async def cancel(self, name: str) -> None:
        await self._jobs[name].interrupt("cancel")
        await anyio.wait_all_tasks_blocked()

    async def _run(self, name: str) -> None:
        with self._jobs[name].turn():
            async with self.lane.turn(self._jobs[name]):
                self.began.append(name)
                await self._ends[name].wait()


async def test_jobs_have_their_turn_in_their_order_and_not_more_than_the_limit() -> None:
    async with anyio.create_task_group() as tasks:
        queue = Queue(Lane(2), tasks)
        await queue.add("a", "b", "c", "d")
        assert queue.began == ["a", "b"]
        await queue.end("b")
        assert queue.began == ["a", "b", "c"]
        await queue.end("a", "c", "d")
    assert queue.began == ["a", "b", "c", "d"]


async def test_a_higher_priority_has_its_turn_first_and_interrupts_nothing() -> None:
    async with anyio.create_task_group() as tasks:
        queue = Queue(Lane(1), tasks)
        await queue.add("running", "a", "b")
        await queue.add("urgent", "urgent too", priority=1)
        assert queue.began == ["running"]
        await queue.end("running", "urgent", "urgent too", "a", "b")
    assert queue.began == ["running", "urgent", "urgent too", "a", "b"]


async def test_a_job_that_is_cancelled_leaves_its_turn_or_its_place_to_the_next() -> None:
    async with anyio.create_task_group() as tasks:
        queue = Queue(Lane(1), tasks)
        await queue.add("a", "b", "c")
        await queue.cancel("b")
        assert queue.began == ["a"]
        await queue.cancel("a")
        assert queue.began == ["a", "c"]
        await queue.end("c")


async def test_a_limit_that_changes_counts_immediately_and_takes_no_turn_away() -> None:
    async with anyio.create_task_group() as tasks:
        queue = Queue(Lane(0), tasks)
        await queue.add("a", "b", "c")
        assert queue.began == []
        queue.lane.limit = 2
        await anyio.wait_all_tasks_blocked()
        assert queue.began == ["a", "b"]
        queue.lane.limit = 1
        await queue.end("a")
        assert queue.began == ["a", "b"]
        await queue.end("b", "c")
    assert queue.began == ["a", "b", "c"]
