"""Pages talk to a real sidecar with the fake engine: several at once, and over lost connections."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import pytest

from sidecar.transport.framing import MAX_LINE_BYTES
from tests.app.talking import assert_gapless, words
from tests.web.browser import BOUND_SECONDS, Page, Served, release
from tests.web.conftest import StartServed

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def server_of_its_own(served: Served) -> AsyncIterator[str]:
    """A server whose answers nobody has let go on yet; its id."""
    async with served.page() as page:
        await page.call("start_llama_server", server_id="own")
        yield "own"
        await page.call("stop_llama_server", server_id="own")


async def test_a_page_speaks_the_same_messages_as_any_host(served: Served) -> None:
    async with served.page() as page:
        told = await page.call("initialize", contract_version="1.0")
        assert told["pid"] == served.process.pid
        assert told["capabilities"]["max_line_bytes"] == MAX_LINE_BYTES
        assert (await page.fail("no_such_method"))["data"]["name"] == "METHOD_NOT_FOUND"
        await page.socket.send_str("no JSON")
        error: dict[str, Any] = await page.answer(None)  # type: ignore[arg-type]
        assert error["error"]["data"]["name"] == "PARSE_ERROR"


async def test_pages_have_ids_and_channels_of_their_own(served: Served) -> None:
    async with served.page() as one, served.page() as other:
        asked = [await page.begin("send_message", message="tokens=3", channel="c") for page in (one, other)]
        assert asked == [asked[0]] * 2 or asked[0] > asked[1]
        for page, id_ in zip((one, other), asked, strict=True):
            assert (await page.answer(id_))["result"]["content"] == words(3)
            assert_gapless(page.events["c"])
            assert list(page.events) == ["c"]


async def test_what_one_page_starts_another_one_sees(served: Served) -> None:
    async with served.page() as one, served.page() as other:
        await other.call("subscribe", topics=["servers"], channel="live")
        await one.call("start_llama_server", server_id="seen")
        await other.until(lambda: ("seen", "ready") in states(other))
        await one.call("stop_llama_server", server_id="seen")
        assert await other.call("is_llama_running", server_id="seen") is False


def states(page: Page) -> list[tuple[str, str]]:
    events = [one["event"] for one in page.events.get("live", [])]
    return [(e["server"]["server_id"], e["server"]["state"]) for e in events if e["status"] == "server"]


async def test_what_a_page_has_started_goes_on_without_it(served: Served) -> None:
    async with served.page() as other:
        await other.call("subscribe", topics=["servers"], channel="live")
        async with served.page() as one:
            await one.begin("start_llama_server", server_id="left", extra_args=["--ready-after", "0.3"])
            await other.until(lambda: ("left", "starting") in states(other) or ("left", "loading") in states(other))
            one.cut()
        await other.until(lambda: ("left", "ready") in states(other))
        await other.call("stop_llama_server", server_id="left")


async def test_a_page_that_is_lost_in_an_answer_gets_every_token_once(served: Served) -> None:
    session = str(uuid.uuid4())
    async with server_of_its_own(served) as own:
        async with served.page() as page:
            message = {"message": "tokens=9 hold-after=4", "session_id": session, "server_id": own}
            await page.begin("send_message", **message, channel="c")
            await page.until(lambda: page.text("c") == words(4))
            seen = page.events["c"]
            page.cut()
        async with served.page() as page:
            resumed = await page.begin("resume_session", session_id=session, after_seq=seen[-1]["seq"], channel="c")
            await release(page, own)
            assert (await page.answer(resumed))["result"]["content"] == words(9)
            events = seen + page.events["c"]
            assert_gapless(events)
            assert "".join(one["event"].get("chunk", "") for one in events) == words(9)


async def test_a_page_that_is_lost_again_and_again_gets_every_token_once(served: Served) -> None:
    chance = random.Random(7)  # noqa: S311 - where the cuts are
    session, count = str(uuid.uuid4()), 240
    events: list[dict[str, Any]] = []
    cuts = 0
    request: dict[str, Any] = {"message": f"tokens={count} rate=800"}
    while not events or events[-1]["event"]["status"] != "done":
        async with served.page() as page:
            method = "resume_session" if events else "send_message"
            await page.begin(method, session_id=session, channel="c", **request)
            wanted = chance.randint(1, 6) if cuts > 3 else 1  # there are four, however late it is
            await page.until(partial(has_events, page, wanted))
            page.cut()
            cuts += 1
            events += page.events["c"][:wanted]
            request = {"after_seq": events[-1]["seq"]}
    assert cuts > 3
    assert_gapless(events)
    assert "".join(one["event"].get("chunk", "") for one in events) == words(count)
    async with served.page() as page:
        messages = (await page.call("get_messages", session_id=session))["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant"]
        assert messages[1]["content"] == words(count)


def has_events(page: Page, count: int) -> bool:
    """Whether so many have come, or the last."""
    events = page.events.get("c", [])
    return len(events) >= count or (bool(events) and events[-1]["event"]["status"] == "done")


async def test_a_cancelled_answer_is_cancelled_for_all_who_look_on(served: Served) -> None:
    session = str(uuid.uuid4())
    async with server_of_its_own(served) as own, served.page() as one, served.page() as other:
        message = {"message": "tokens=9 hold-after=2", "session_id": session, "server_id": own}
        asked = await one.begin("send_message", **message, channel="c")
        await one.until(lambda: one.text("c") == words(2))
        looking = await other.begin("resume_session", session_id=session, channel="c")
        await other.until(lambda: other.text("c") == words(2))
        await other.call("cancel_message", session_id=session)
        for page, id_ in ((one, asked), (other, looking)):
            assert (await page.answer(id_))["error"]["data"]["name"] == "CANCELLED"
            assert page.events["c"][-1]["event"]["status"] == "cancelled"


async def test_a_message_of_16_mib_is_read_and_a_longer_one_ends_its_own_page_only(served: Served) -> None:
    request = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    async with served.page() as one, served.page() as other:
        await one.socket.send_str((request + b" " * (MAX_LINE_BYTES - len(request))).decode())
        one._methods[1] = "ping"
        assert (await one.answer(1))["result"] == "pong"
        await one.socket.send_str((request + b" " * (MAX_LINE_BYTES + 1 - len(request))).decode())
        assert (await one.ended()).data == 1009
        assert await other.call("ping") == "pong"


async def test_messages_are_text(served: Served) -> None:
    async with served.page() as page:
        await page.socket.send_bytes(b'{"jsonrpc":"2.0","id":1,"method":"ping"}')
        assert (await page.ended()).data == 1003


async def test_shutdown_is_for_the_last_page(start_served: StartServed) -> None:
    served = start_served()
    async with served.page() as one:
        async with served.page() as other:
            await other.call("ping")
            refused = await one.fail("shutdown")
            assert (refused["data"]["name"], refused["message"][:1]) == ("NOT_SUPPORTED", "2")
        assert await one.call("shutdown") is None
        ended = await one.ended()
        assert (ended.type, ended.data) == (aiohttp.WSMsgType.CLOSE, 1001)
    assert served.process.wait(timeout=BOUND_SECONDS) == 0


async def test_no_page_binds_the_sidecar_to_a_process(served: Served) -> None:
    async with served.page() as page:
        assert (await page.fail("initialize", host_pid=os.getpid()))["data"]["name"] == "NOT_SUPPORTED"
        assert await page.call("ping") == "pong"
