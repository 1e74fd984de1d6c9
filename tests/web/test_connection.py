"""One page's WebSocket, in this process: pages that do not read, or are not there any more."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sidecar.contract.topics import SubscriptionDone
from sidecar.dispatch.hosts import Hosts
from sidecar.dispatch.requests import RequestTasks
from sidecar.events.live_feed import LiveFeed
from sidecar.handlers.call import Call
from sidecar.services import Lifetime
from sidecar.transport.framing import MAX_LINE_BYTES
from sidecar.transport.reading import MAX_WAITING_BYTES
from sidecar.transport.web.admission import SUBPROTOCOL
from sidecar.transport.web.connection import Connection

pytestmark = pytest.mark.anyio

BOUND_SECONDS = 20.0
LARGE = "x" * 100_000
ASKED = 400
BUFFERED_BYTES = 24 * 1024 * 1024
"""In both sockets and what aiohttp reads ahead, and a few answers more that were under way."""


class Side:
    """Our side: what is served, and who is there."""

    def __init__(self, **bounds: float) -> None:
        self.bounds = bounds
        self.answers = 0
        self.tasks = RequestTasks()
        self.lifetime = Lifetime(owned=False)
        self.feeds: list[LiveFeed] = []
        self.may_answer = anyio.Event()
        self.answered = anyio.Event()
        handlers = {"ping": self._large, "list_servers": self._later, "subscribe": self._subscribe}
        self.hosts = Hosts(handlers=handlers, tasks=self.tasks, lifetime=self.lifetime, max_line_bytes=MAX_LINE_BYTES)
        self.left = anyio.Event()

    async def _large(self, params: Any, call: Call) -> str:
        self.answers += 1
        return LARGE

    async def _later(self, params: Any, call: Call) -> list[Any]:
        await self.may_answer.wait()
        self.answered.set()
        return []

    async def _subscribe(self, params: Any, call: Call) -> None:
        feed = LiveFeed()
        call.subscribe(params.channel, feed, functools.partial(self._stop, feed))
        self.feeds.append(feed)

    def _stop(self, feed: LiveFeed) -> None:
        self.feeds.remove(feed)
        feed.close(SubscriptionDone())

    async def serve(self, request: web.Request) -> web.StreamResponse:
        try:
            connection = Connection(max_message_bytes=1000, **self.bounds)
            await connection.open(request)
            return await connection.serve(request, self.hosts)
        finally:
            self.left.set()


@asynccontextmanager
async def connected(side: Side, *, autoping: bool = True) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    application = web.Application()
    application.router.add_get("/rpc", side.serve)
    async with (
        side.tasks.run(),
        TestServer(application) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(server.make_url("/rpc"), protocols=(SUBPROTOCOL,), autoping=autoping) as socket,
    ):
        with anyio.fail_after(BOUND_SECONDS):
            yield socket


def request(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": method, "method": method, "params": params}


async def test_a_page_that_does_not_answer_pings_is_let_go() -> None:
    side = Side(ping_seconds=0.1)
    async with connected(side, autoping=False) as socket:
        with anyio.CancelScope() as reading:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(socket.receive)  # sees the ping, and is silent
                await side.left.wait()
                reading.cancel()
    assert side.lifetime.host_count == 0


async def test_a_page_that_answers_pings_stays() -> None:
    side = Side(ping_seconds=1)
    async with connected(side, autoping=False) as socket:
        for _ in range(2):  # the second one is for a page that has stayed
            ping = await socket.receive()
            assert ping.type is aiohttp.WSMsgType.PING
            await socket.pong(ping.data)
        assert side.lifetime.host_count == 1


async def test_a_page_that_reads_nothing_is_not_listened_to_and_after_a_while_let_go() -> None:
    side = Side(stall_seconds=0.2)
    async with connected(side) as socket:
        for _ in range(ASKED):
            await socket.send_json({**request("ping"), "id": None})
        await side.left.wait()
    assert side.answers * len(LARGE) < MAX_WAITING_BYTES + BUFFERED_BYTES < ASKED * len(LARGE)
    assert side.lifetime.host_count == 0


async def test_the_subscriptions_of_a_page_end_with_it_and_its_requests_do_not() -> None:
    side = Side()
    async with connected(side) as socket:
        await socket.send_json(request("subscribe", topics=["servers"], channel="c"))
        await socket.receive()
        await socket.send_json(request("list_servers"))
        assert len(side.feeds) == 1
        await socket.close()
        await side.left.wait()
        assert not side.feeds
        assert not side.answered.is_set()
        side.may_answer.set()
        await side.answered.wait()
