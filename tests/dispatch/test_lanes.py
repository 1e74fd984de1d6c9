"""Requests that wait for each other."""

from __future__ import annotations

import anyio
import pytest

from sidecar.contract import Lane, Params
from sidecar.dispatch.requests import Lanes

pytestmark = pytest.mark.anyio


class Keyed(Params):
    key: str | None = None


class Visits:
    """Visitors of lanes: each stays inside until it is let go."""

    def __init__(self) -> None:
        self.lanes = Lanes()
        self.log: list[str] = []
        self.doors: dict[str, anyio.Event] = {}
        self.scopes: dict[str, anyio.CancelScope] = {}

    async def visit(self, name: str, lane: Lane | None, key: str | None = None) -> None:
        self.doors[name], self.scopes[name] = anyio.Event(), anyio.CancelScope()
        with self.scopes[name]:
            async with self.lanes.enter(lane, Keyed(key=key)):
                self.log.append(name)
                await self.doors[name].wait()


LANE = Lane("lane")
BY_KEY = Lane("by key", key="key")


async def test_those_of_one_lane_go_one_after_the_other_in_the_order_of_arrival() -> None:
    visits = Visits()
    async with anyio.create_task_group() as tasks:
        for name in "abc":
            tasks.start_soon(visits.visit, name, LANE)
        await anyio.wait_all_tasks_blocked()
        for name, inside in zip("abc", (["a"], ["a", "b"], ["a", "b", "c"]), strict=True):
            assert visits.log == inside
            visits.doors[name].set()
            await anyio.wait_all_tasks_blocked()
    assert visits.lanes._locks == {}


async def test_others_do_not_wait() -> None:
    visits = Visits()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(visits.visit, "a1", BY_KEY, "a")
        tasks.start_soon(visits.visit, "a2", BY_KEY, "a")
        tasks.start_soon(visits.visit, "b1", BY_KEY, "b")
        tasks.start_soon(visits.visit, "none", BY_KEY, None)
        tasks.start_soon(visits.visit, "other", LANE, "a")
        tasks.start_soon(visits.visit, "free 1", None)
        tasks.start_soon(visits.visit, "free 2", None)
        await anyio.wait_all_tasks_blocked()
        assert sorted(visits.log) == ["a1", "b1", "free 1", "free 2", "none", "other"]
        tasks.cancel_scope.cancel()
    assert visits.lanes._locks == {}


async def test_who_is_cancelled_while_waiting_holds_up_nobody() -> None:
    visits = Visits()
    async with anyio.create_task_group() as tasks:
        for name in "abc":
            tasks.start_soon(visits.visit, name, LANE)
        await anyio.wait_all_tasks_blocked()
        visits.scopes["b"].cancel()
        await anyio.wait_all_tasks_blocked()
        visits.scopes["a"].cancel()
        await anyio.wait_all_tasks_blocked()
        assert visits.log == ["a", "c"]
        visits.doors["c"].set()
    assert visits.lanes._locks == {}
