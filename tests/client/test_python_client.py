"""The Python client with a real sidecar: typed results, our exceptions, events in order, cancellation, the end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from sidecar.client import ConnectionClosed, EventStream, SidecarClient, connect
from sidecar.contract.chat import TurnDone, TurnPrefill, TurnQueued, TurnResult, TurnToken
from sidecar.contract.errors import SidecarError
from sidecar.contract.life import ClientInfo, InitializeResult
from sidecar.contract.servers import ServerInfo, StartDone, StartLoading, StartPlanning
from sidecar.contract.sessions import Session, SessionConfig
from sidecar.contract.topics import SessionEvent, SubscriptionDone
from tests.app.talking import new_session, prepare, words

pytestmark = pytest.mark.anyio

Connect = Callable[[], AbstractAsyncContextManager[SidecarClient]]

BOUND_SECONDS = 60.0


@pytest.fixture
def ready(data_dir: Path, fake_llama_cpp: Path) -> Connect:
    """Connects to a sidecar whose server is ready."""
    prepare(data_dir, fake_llama_cpp)

    @asynccontextmanager
    async def connected() -> AsyncIterator[SidecarClient]:
        async with asyncio.timeout(BOUND_SECONDS), connect(data_dir=data_dir) as client:
            await client.start_llama_server()
            yield client

    return connected


class Heard:
    """Events, and a way to wait for one of a kind."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._news = asyncio.Event()

    def __call__(self, event: Any) -> None:
        self.events.append(event)
        self._news.set()

    async def one_like(self, condition: Callable[[Any], bool]) -> Any:
        while not (found := [event for event in self.events if condition(event)]):
            await self._news.wait()
            self._news.clear()
        return found[0]

    def text(self) -> str:
        return "".join(event.chunk for event in self.events if isinstance(event, TurnToken))


# --- results and events ------------------------------------------------------------------------------------


async def test_results_and_events_are_the_contracts_types(data_dir: Path, fake_llama_cpp: Path) -> None:
    prepare(data_dir, fake_llama_cpp)
    started, said = Heard(), Heard()
    async with connect(data_dir=data_dir) as client:
        hello = await client.initialize(client=ClientInfo(name="test", version="1"), contract_version="1")
        assert isinstance(hello, InitializeResult)
        assert (hello.pid, hello.data_dir) == (client.pid, str(data_dir))
        assert await client.ping() == "pong"
        server = await client.start_llama_server(on_event=started)
        assert isinstance(server, ServerInfo)
        kinds = [type(event) for event in started.events]
        assert kinds.index(StartPlanning) < kinds.index(StartLoading) < kinds.index(StartDone) == len(kinds) - 1
        answer = await client.send_message(message="tokens=20", on_event=said)
        assert isinstance(answer, TurnResult)
        assert (answer.content, said.text()) == (words(20), words(20))
        assert [type(event) for event in (*said.events[:2], said.events[-1])] == [TurnQueued, TurnPrefill, TurnDone]
        session = await client.update_session(session_id=answer.session_id, config=SessionConfig(temperature=0.5))
        assert isinstance(session, Session)
        assert session.config == SessionConfig(temperature=0.5)


async def test_a_streamed_answer_is_iterated_over_and_ends_with_its_result(ready: Connect) -> None:
    async with ready() as client:
        stream = client.send_message_stream(message="tokens=20")
        assert stream.seq == 0
        seen: list[tuple[int, str]] = []
        said = ""
        async for event in stream:
            seen.append((stream.seq, event.status))
            if event.status == "token":
                assert isinstance(event, TurnToken)
                said += event.chunk
        answer = await stream.result()
        assert isinstance(answer, TurnResult)
        assert said == answer.content == words(20)
        assert [seq for seq, _ in seen] == list(range(1, len(seen) + 1))
        assert (seen[0][1], seen[-1][1]) == ("queued", "done")
        plain = client.stream("send_message", {"message": "tokens=2"})
        assert [event["status"] async for event in plain][-1] == "done"
        assert (await plain.result())["content"] == words(2)
        assert (await client.send_message_stream(message="tokens=3").result()).content == words(3)


async def last_status(stream: EventStream[Any, Any]) -> str:
    status = ""
    async for event in stream:
        status = event.status
    return status


async def test_a_stream_ends_with_the_error_and_leaving_it_cancels_the_request(ready: Connect) -> None:
    async with ready() as client:
        failing = client.send_message_stream(message="tokens=9 error-after=2")
        with pytest.raises(SidecarError) as caught:
            await last_status(failing)
        assert caught.value.data["session_id"]
        session = new_session()
        async with client.send_message_stream(message="tokens=9 stall-after=1", session_id=session) as stream:
            async for event in stream:
                if event.status == "token":
                    break
        assert (await client.send_message(message="tokens=2", session_id=session)).content == words(2)


async def test_a_listener_that_takes_two_gets_the_number_of_each_event(ready: Connect) -> None:
    numbered: list[tuple[str, int]] = []
    plain: list[Any] = []
    one_of_any: list[Any] = []

    def listen(event: Any, seq: int) -> None:
        numbered.append((event.status, seq))

    async with ready() as client:
        await client.send_message(message="tokens=3", on_event=listen)
        await client.send_message(message="tokens=3", on_event=plain.append)
        await client.send_message(message="tokens=3", on_event=lambda *events: one_of_any.extend(events))
    assert [seq for _, seq in numbered] == list(range(1, len(numbered) + 1))
    assert numbered[-1][0] == plain[-1].status == one_of_any[-1].status == "done"


async def test_settings_given_as_a_struct_join_those_of_the_session(ready: Connect) -> None:
    async with ready() as client:
        session = await client.create_session(config=SessionConfig(temperature=0.5))
        changed = await client.update_session(session_id=session.session_id, config=SessionConfig(top_k=3))
        assert changed.config == SessionConfig(temperature=0.5, top_k=3)


async def test_any_method_can_be_called_by_name_with_plain_values(ready: Connect) -> None:
    heard: list[Any] = []
    async with ready() as client:
        result = await client.call("send_message", {"message": "tokens=2"}, on_event=heard.append)
        assert result["content"] == words(2)
        assert heard[-1] == {"status": "done", **result}
        assert await client.call("ping") == "pong"


async def test_many_requests_are_under_way_at_once(ready: Connect) -> None:
    async with ready() as client:
        heard = [Heard() for _ in range(20)]
        asked = [client.send_message(message=f"tokens={i + 1} delay=0.001", on_event=heard[i]) for i in range(20)]
        pings = [client.ping() for _ in range(100)]
        answers, pongs = await asyncio.gather(asyncio.gather(*asked), asyncio.gather(*pings))
        assert pongs == ["pong"] * 100
        assert [answer.content for answer in answers] == [words(i + 1) for i in range(20)]
        assert [one.text() for one in heard] == [words(i + 1) for i in range(20)]


async def test_long_messages_go_both_ways(ready: Connect) -> None:
    text = "é🦙 " * 200_000
    async with ready() as client:
        made = [client.create_session(system=text) for _ in range(5)]
        assert [session.system for session in await asyncio.gather(*made)] == [text] * 5


# --- errors ------------------------------------------------------------------------------------------------


async def test_errors_are_the_contracts_exceptions(data_dir: Path) -> None:
    from sidecar.contract.errors import InvalidParams, MethodNotFound, ServerNotRunning, SessionNotFound

    async with connect(data_dir=data_dir) as client:
        with pytest.raises(ServerNotRunning) as caught:
            await client.send_message(message="Hi")
        assert (caught.value.code, caught.value.hint) == (-32010, ServerNotRunning.default_hint)
        with pytest.raises(SessionNotFound):
            await client.get_session(session_id=new_session())
        with pytest.raises(InvalidParams) as invalid:
            await client.send_message(message="Hi", temperature=-1)
        assert invalid.value.data == {"path": "$.temperature"}
        with pytest.raises(MethodNotFound):
            await client.call("no_such_method")
        heard: list[Any] = []
        with pytest.raises(ServerNotRunning):
            await client.call("send_message", {"message": "Hi"}, on_event=heard.append)
        assert [event["status"] for event in heard] == ["queued", "error"]


async def test_an_event_handler_that_fails_ends_its_request_and_nothing_else(ready: Connect) -> None:
    def fail(event: Any) -> None:
        if isinstance(event, TurnToken):
            raise ZeroDivisionError

    async with ready() as client:
        session = new_session()
        with pytest.raises(ZeroDivisionError):
            await client.send_message(message="tokens=9 stall-after=1", session_id=session, on_event=fail)
        # It was cancelled: the next message gets its turn.
        assert (await client.send_message(message="tokens=2", session_id=session)).content == words(2)


async def test_an_event_handler_that_fails_on_a_subscription_is_not_called_again(ready: Connect) -> None:
    calls: list[Any] = []

    def fail(event: Any) -> None:
        calls.append(event)
        raise ZeroDivisionError

    async with ready() as client:
        await client.subscribe(topics=["sessions"], channel="s", on_event=fail)
        for _ in range(3):
            await client.create_session()
        assert await client.ping() == "pong"
        assert len(calls) == 1
        assert (await client.unsubscribe(channel="s")).found


# --- cancellation ------------------------------------------------------------------------------------------


async def test_cancelling_the_task_cancels_the_request(ready: Connect) -> None:
    heard, session = Heard(), new_session()
    async with ready() as client:
        turn = asyncio.create_task(
            client.send_message(message="tokens=9 stall-after=1", session_id=session, on_event=heard)
        )
        await heard.one_like(lambda event: isinstance(event, TurnToken))
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        assert (await client.send_message(message="tokens=2", session_id=session)).content == words(2)
        page = await client.get_messages(session_id=session)
        assert [message.state for message in page.messages] == ["complete", "cancelled", "complete", "complete"]
        assert not client._pending
        assert not client._listeners


async def test_a_cancelled_answer_is_an_exception_with_what_was_said(ready: Connect) -> None:
    from sidecar.contract.errors import Cancelled

    heard, session = Heard(), new_session()
    async with ready() as client:
        turn = asyncio.create_task(
            client.send_message(message="tokens=9 stall-after=1", session_id=session, on_event=heard)
        )
        await heard.one_like(lambda event: isinstance(event, TurnToken))
        assert (await client.cancel_message(session_id=session)).cancelled == 1
        with pytest.raises(Cancelled) as caught:
            await turn
        assert caught.value.data["partial"] == words(1)


# --- subscriptions -----------------------------------------------------------------------------------------


async def test_a_subscription_is_told_until_it_is_ended(ready: Connect) -> None:
    heard = Heard()
    async with ready() as client:
        await client.subscribe(topics=["sessions"], channel="mine", on_event=heard)
        made = await client.create_session(title="Wool")
        event = await heard.one_like(lambda event: isinstance(event, SessionEvent))
        assert event.session == made
        assert (await client.unsubscribe(channel="mine")).found
        assert isinstance(heard.events[-1], SubscriptionDone)
        await client.create_session()
        await client.ping()
        assert isinstance(heard.events[-1], SubscriptionDone)
        assert not client._listeners


async def test_a_channel_that_is_taken_stays_with_whoever_has_it(ready: Connect) -> None:
    from sidecar.contract.errors import InvalidParams

    first, second = Heard(), Heard()
    async with ready() as client:
        await client.subscribe(topics=["sessions"], channel="mine", on_event=first)
        with pytest.raises(InvalidParams):
            await client.subscribe(topics=["sessions"], channel="mine", on_event=second)
        await client.create_session()
        await first.one_like(lambda event: isinstance(event, SessionEvent))
        assert second.events == []


# --- the end -----------------------------------------------------------------------------------------------


async def test_the_sudden_end_of_the_sidecar_ends_every_request(ready: Connect) -> None:
    heard = Heard()
    async with ready() as client:
        turn = asyncio.create_task(client.send_message(message="stall-after=1", on_event=heard))
        await heard.one_like(lambda event: isinstance(event, TurnToken))
        psutil.Process(client.pid).send_signal(signal.SIGKILL)
        with pytest.raises(ConnectionClosed) as caught:
            await turn
        assert "-9" in str(caught.value)
        with pytest.raises(ConnectionClosed):
            await client.ping()
        await client.close()


async def test_a_sidecar_is_gone_when_its_context_is(data_dir: Path) -> None:
    async with connect(data_dir=data_dir) as client:
        await client.ping()
        pid = client.pid
    assert not psutil.pid_exists(pid)
    with pytest.raises(ConnectionClosed):
        await client.ping()
    await client.close()


async def test_a_sidecar_is_gone_although_its_host_was_cancelled_again_and_again(ready: Connect) -> None:
    pids: list[int] = []
    reached = asyncio.Event()

    async def host() -> None:
        async with ready() as client:
            pids.append(client.pid)
            reached.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(host())
    await reached.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not psutil.pid_exists(pids[0])


async def test_a_shutdown_is_answered_and_then_the_connection_is_closed(data_dir: Path) -> None:
    async with connect(data_dir=data_dir) as client:
        await client.shutdown()
        assert "exit code 0" in await client.wait_closed()
        with pytest.raises(ConnectionClosed):
            await client.ping()
