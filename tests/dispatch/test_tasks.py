"""No request's task outlives the connection."""

from __future__ import annotations

import anyio
import pytest

from sidecar.dispatch.requests import RequestTasks

pytestmark = pytest.mark.anyio


class Requests:
    """Requests that wait, and what became of them."""

    def __init__(self) -> None:
        self.tasks = RequestTasks()
        self.ended: list[str] = []

    def begin(self, name: str, *, then: str | None = None) -> None:
        scope = anyio.CancelScope()
        self.tasks.start(self._wait(name, scope, then), scope)

    async def _wait(self, name: str, scope: anyio.CancelScope, then: str | None) -> None:
        with scope:
            try:
                await anyio.sleep_forever()
            finally:
                self.ended.append(name)
                if then is not None:
                    self.begin(then)


async def test_requests_under_way_are_cancelled_and_waited_for_at_the_end() -> None:
    requests = Requests()
    async with requests.tasks.run():
        requests.begin("one")
        requests.begin("two")
        await anyio.wait_all_tasks_blocked()
        assert requests.ended == []
    assert sorted(requests.ended) == ["one", "two"]


async def test_what_a_request_begins_while_it_ends_is_ended_as_well() -> None:
    requests = Requests()
    async with requests.tasks.run():
        requests.begin("one", then="two")
        await anyio.wait_all_tasks_blocked()
    assert requests.ended == ["one", "two"]


async def test_requests_end_although_the_connection_itself_is_cancelled() -> None:
    requests = Requests()
    with anyio.CancelScope() as connection:
        async with requests.tasks.run():
            requests.begin("one")
            await anyio.wait_all_tasks_blocked()
            connection.cancel()
            await anyio.sleep_forever()
    assert requests.ended == ["one"]


async def test_a_defect_in_a_request_is_logged_and_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise RuntimeError("a defect")

    requests = Requests()
    async with requests.tasks.run():
        requests.begin("other")
        requests.tasks.start(fail(), anyio.CancelScope())
        await anyio.wait_all_tasks_blocked()
        assert requests.ended == []
    assert "a defect" in caplog.text
