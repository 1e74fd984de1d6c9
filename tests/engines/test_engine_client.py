"""The link: what engines answer, refuse and break off."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import anyio
import anyio.to_thread
import pytest

from sidecar.contract.errors import SidecarError
from sidecar.engines.client import engine_client as link_module
from sidecar.engines.client.chat_chunk import ChatChunk, Choice, Delta
from sidecar.engines.client.engine_client import EngineClient, EngineGone, Props
from tests.engines.http_peer import STREAM, Script, always, answer, serving
from tests.engines.listening import Listening, listening
from tests.processes.programs import WAIT_SECONDS

pytestmark = pytest.mark.anyio

NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens there
TOO_LONG = {"type": "exceed_context_size_error", "n_ctx": 5, "n_prompt_tokens": 9}
BODY = {"messages": [{"role": "user", "content": "hi"}]}


@asynccontextmanager
async def linked(
    script: Script, *, key: str | None = None, heads: list[str] | None = None
) -> AsyncIterator[EngineClient]:
    async with serving(script, heads) as url:
        link = EngineClient(url, key)
        try:
            with anyio.fail_after(WAIT_SECONDS):
                yield link
        finally:
            link.close()


def reply(body: Any, status: int = 200) -> Script:
    return always(answer(status, json.dumps(body).encode()))


def by_path(**replies: tuple[int, Any]) -> Script:
    """Answers by the last word of the path."""

    async def script(head: str, reader: Any, writer: Any) -> None:
        name = head.split(" ")[1].rpartition("/")[2].replace("-", "_")
        status, body = replies.get(name, (404, {"error": {"message": "File Not Found"}}))
        writer.write(answer(status, json.dumps(body).encode()))
        await writer.drain()

    return script


def token(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n"


def chunk(text: str) -> ChatChunk:
    return ChatChunk(choices=[Choice(delta=Delta(content=text))])


@pytest.mark.parametrize("host", ["\u00e4..b", "\u00e9" * 70, ""])
def test_a_host_that_can_not_be_named_is_no_address(host: str) -> None:
    with pytest.raises(ValueError):
        EngineClient(f"http://{host}", None)


async def read(link: EngineClient) -> tuple[list[ChatChunk], str | None]:
    """The chunks of an answer, and the name of the error that ended it."""
    chunks: list[ChatChunk] = []
    try:
        async with link.stream_chat(BODY) as stream:
            async for some in stream:
                chunks += some
    except SidecarError as error:
        return chunks, error.name
    except EngineGone:
        return chunks, "gone"
    return chunks, None


# --- questions ---


async def test_the_key_goes_with_every_request() -> None:
    heads: list[str] = []
    async with linked(reply({}), key="k1", heads=heads) as link:
        await link.health()
        await link.props()
        await read(link)
    assert [head.split(" ")[1] for head in heads] == ["/health", "/props", "/v1/chat/completions"]
    assert all("Authorization: Bearer k1\r\n" in head for head in heads)


async def test_what_an_engine_says_of_itself_is_read_and_more_is_skipped() -> None:
    body = {
        "default_generation_settings": {"n_ctx": 512, "params": {}},
        "total_slots": 3,
        "modalities": {"vision": True, "audio": False},
        "build_info": "b1",
        "chat_template": "…",
    }
    async with linked(reply(body)) as link:
        assert await link.props() == Props(
            default_generation_settings=Props.Generation(n_ctx=512, params={}),
            modalities=Props.Modalities(vision=True),
            total_slots=3,
            build_info="b1",
            chat_template="…",
        )


async def test_tokens_are_counted() -> None:
    async with linked(by_path(tokenize=(200, {"tokens": [1, 2, 3]}), input_tokens=(200, {"input_tokens": 9}))) as link:
        assert (await link.count_text("x"), await link.count_chat(BODY)) == (3, 9)


async def test_conversations_are_counted_by_way_of_their_template_where_the_engine_does_not_count_them() -> None:
    async with linked(by_path(apply_template=(200, {"prompt": "<s>"}), tokenize=(200, {"tokens": [1, 2]}))) as link:
        assert await link.count_chat(BODY) == 2


@pytest.mark.parametrize(
    ("script", "busy"),
    [
        (reply([{"id": 0, "is_processing": True}, {"id": 1}]), 1),
        (reply([]), 0),
        (reply({"error": {"message": "This server does not support slots endpoint."}}, 501), None),
        (reply({"a": 1}), None),
    ],
)
async def test_busy_slots_are_counted_where_the_engine_tells_them(script: Script, busy: int | None) -> None:
    async with linked(script) as link:
        assert await link.busy_slots() == busy


@pytest.mark.parametrize(
    ("script", "name"),
    [
        (always(answer(200, b"{no")), "ENGINE_UNRESPONSIVE"),
        (always(answer(200, b'{"build_info": 7, "total_slots": "x"}')), "ENGINE_UNRESPONSIVE"),
        (always(answer(200, b'{"build_info": "\xff"}')), "ENGINE_UNRESPONSIVE"),
        (always(answer(200, b'{"x": ' + b"[" * 100_000)), "ENGINE_UNRESPONSIVE"),
        (always(answer(302, b"", headers="Location: http://127.0.0.1:1/\r\n")), "ENGINE_UNRESPONSIVE"),
        (reply({"error": {"message": "Invalid API Key"}}, 401), "ENGINE_UNRESPONSIVE"),
        (reply({"error": {"message": "File Not Found"}}, 404), "NOT_SUPPORTED"),
    ],
)
async def test_an_answer_of_another_kind_is_an_error_with_a_name(script: Script, name: str) -> None:
    async with linked(script) as link:
        with pytest.raises(SidecarError) as caught:
            await link.props()
    assert caught.value.name == name


async def test_an_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "MAX_ANSWER_BYTES", 1000)
    async with linked(always(answer(200, b"[" + b"1," * 1000))) as link:
        with pytest.raises(SidecarError) as caught:
            await link.props()
    assert caught.value.name == "ENGINE_UNRESPONSIVE"


async def test_silence_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(link_module, "LOCAL_SECONDS", 0.05)
    async with linked(always(hang=True)) as link:
        with pytest.raises(SidecarError) as caught:
            await link.props()
        assert (await link.health())[0] is None
    assert caught.value.name == "ENGINE_UNRESPONSIVE"


@pytest.mark.parametrize(
    "pieces", [(), (b"nonsense\r\n\r\n",), (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",)]
)
async def test_an_engine_that_hangs_up_is_gone(pieces: tuple[bytes, ...]) -> None:
    async with linked(always(*pieces)) as link:
        with pytest.raises(EngineGone):
            await link.props()


async def test_an_engine_that_is_not_there_is_gone() -> None:
    link = EngineClient(NOBODY, None)
    with pytest.raises(EngineGone):
        await link.props()
    assert (await link.health())[0] is None
    assert await read(link) == ([], "gone")
    link.close()


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("head", [STREAM, CHUNKED])
async def test_closing_the_link_ends_an_answer_that_stands_still(head: bytes) -> None:
    event = token("x")
    piece = b"%x\r\n%b\r\n" % (len(event), event) if head is CHUNKED else event
    async with linked(always(head, piece, hang=True)) as link:
        async with listening(link, BODY) as answer:
            link.close()
        assert answer.broken is not None
        assert answer.broken.client is link


@pytest.mark.parametrize(
    "pieces", [(), (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",), (b"HTTP/1.1 200 OK\r\n",)]
)
async def test_closing_the_link_ends_a_question_that_is_not_answered(pieces: tuple[bytes, ...]) -> None:
    heads: list[str] = []
    async with linked(always(*pieces, hang=True), heads=heads) as link, anyio.create_task_group() as tasks:

        async def close() -> None:
            while not heads:  # noqa: ASYNC110 - the peer has no event for it
                await anyio.sleep(0.01)
            await anyio.sleep(0.05)
            link.close()

        tasks.start_soon(close)
        with pytest.raises(EngineGone):
            await link.props()


async def test_a_closed_link_says_that_the_engine_is_gone() -> None:
    async with linked(reply({})) as link:
        link.close()
        link.close()
        with pytest.raises(EngineGone):
            await link.props()
        assert (await link.health())[0] is None
        assert await read(link) == ([], "gone")


@pytest.mark.parametrize(
    ("script", "status"), [(reply({"status": "ok"}), 200), (reply({}, 503), 503), (always(b"nonsense\r\n\r\n"), None)]
)
async def test_health_is_a_status_or_nothing(script: Script, status: int | None) -> None:
    async with linked(script) as link:
        found, milliseconds = await link.health()
    assert (found, milliseconds > 0) == (status, True)


@pytest.mark.parametrize("url", ["http://\x00", "http://a..b", "http://nobody.invalid", "unix:///no/such/socket"])
async def test_the_health_of_what_can_not_be_reached_is_nothing(url: str) -> None:
    assert (await EngineClient(url, None).health())[0] is None


# --- answers ---


async def test_an_answer_is_read_to_its_end() -> None:
    async with linked(always(STREAM, token("a"), token("b")[:9], token("b")[9:], b"data: [DONE]\n\n")) as link:
        assert await read(link) == ([chunk("a"), chunk("b")], None)


async def test_an_answer_is_over_when_it_says_so_even_if_the_connection_stays_open() -> None:
    async with linked(always(STREAM, token("a"), b"data: [DONE]\n\n", hang=True)) as link:
        assert await read(link) == ([chunk("a")], None)


@pytest.mark.parametrize(
    ("end", "name"),
    [
        (b"", "gone"),
        (b"data: {garbage\n\n", "ENGINE_UNRESPONSIVE"),
        (b'data: {"error": {"message": "boom", "type": "server_error"}}\n\n', "ENGINE_UNRESPONSIVE"),
        (b'error: {"message": "boom"}\n\n', "ENGINE_UNRESPONSIVE"),
        (b"data: " + json.dumps({"error": TOO_LONG}).encode() + b"\n\n", "CONTEXT_TOO_LONG"),
    ],
)
async def test_what_came_before_a_failure_is_given_out_first(end: bytes, name: str) -> None:
    async with linked(always(STREAM + token("a") + token("b") + end)) as link:
        assert await read(link) == ([chunk("a"), chunk("b")], name)


@pytest.mark.parametrize(
    ("script", "name"),
    [
        (reply({"error": {"message": "bad role", "type": "invalid_request_error"}}, 400), "INVALID_PARAMS"),
        (reply({"error": TOO_LONG}, 400), "CONTEXT_TOO_LONG"),
        (always(answer(500, b"\xff\xfe")), "ENGINE_UNRESPONSIVE"),
        (always(answer(301, b"", headers="Location: http://127.0.0.1:1/\r\n")), "ENGINE_UNRESPONSIVE"),
        (always(b"HTTP/1.1 500 X\r\nContent-Length: 99\r\n\r\nshort"), "gone"),
    ],
)
async def test_a_refused_answer_has_a_name(script: Script, name: str) -> None:
    async with linked(script) as link:
        assert await read(link) == ([], name)


async def test_silence_within_an_answer_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "IDLE_SECONDS", 1.0)
    async with linked(always(STREAM, token("a"), hang=True)) as link:
        assert await read(link) == ([chunk("a")], "ENGINE_UNRESPONSIVE")
    monkeypatch.setattr(link_module, "IDLE_SECONDS", 0.1)
    async with linked(always(hang=True)) as link:
        assert await read(link) == ([], "ENGINE_UNRESPONSIVE")


async def test_leaving_an_answer_hangs_up() -> None:
    hung_up = anyio.Event()

    async def script(_head: str, reader: Any, writer: Any) -> None:
        writer.write(STREAM + token("a"))
        await writer.drain()
        await reader.read()
        hung_up.set()

    async with linked(script) as link, anyio.create_task_group() as tasks:
        answer = Listening()
        tasks.start_soon(answer.listen, link, BODY)
        await answer.begun.wait()
        assert answer.chunks == [chunk("a")]
        tasks.cancel_scope.cancel()
    await hung_up.wait()


class Peer:
    """An engine that is asked by our loop, and says its last words while the loop stands still."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(WAIT_SECONDS)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    async def asked(self) -> None:
        """Wait for a request."""
        self._connection, _ = await anyio.to_thread.run_sync(self._listener.accept)
        self._connection.settimeout(WAIT_SECONDS)
        await anyio.to_thread.run_sync(self._connection.recv, 65_536)

    def say(self, words: bytes, *, hang_up: bool) -> None:
        self._connection.sendall(words)
        if hang_up:
            self._connection.close()

    def close(self) -> None:
        self._listener.close()
        self._connection.close()


@pytest.mark.parametrize("hang_up", [True, False])
async def test_the_last_words_of_an_engine_that_has_ended_are_read_before_the_link_is_closed(
    monkeypatch: pytest.MonkeyPatch, hang_up: bool
) -> None:
    monkeypatch.setattr(link_module, "LAST_BYTES_SECONDS", WAIT_SECONDS if hang_up else 0.05)
    found: list[tuple[list[ChatChunk], str | None]] = []

    async def follow(link: EngineClient) -> None:
        found.append(await read(link))

    with closing(Peer()) as peer, anyio.fail_after(WAIT_SECONDS):
        link = EngineClient(peer.url, None)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow, link)
            await peer.asked()
            peer.say(STREAM + token("a"), hang_up=hang_up)  # all lies ready before the loop sees any of it
            await link.drain()
            link.close()
    assert found == [([chunk("a")], "gone")]


async def test_a_link_without_answers_has_nothing_to_be_read() -> None:
    async with linked(reply({})) as link:
        await link.drain()
        assert await read(link) == ([], "ENGINE_UNRESPONSIVE")
        await link.drain()


@pytest.mark.parametrize("failure", [TimeoutError("mine"), ConnectionError("mine"), ValueError("mine")])
async def test_what_the_reader_raises_is_not_taken_for_the_engines_failure(failure: Exception) -> None:
    async def fail(link: EngineClient) -> None:
        async with link.stream_chat(BODY) as stream:
            await anext(stream)
            raise failure

    async with linked(always(STREAM, token("a"), hang=True)) as link:
        with pytest.raises(type(failure), match="mine"):
            await fail(link)


async def test_a_stream_is_entered_when_the_request_is_sent_and_before_anything_is_answered() -> None:
    asked, answered = anyio.Event(), anyio.Event()

    async def script(_head: str, _reader: Any, writer: Any) -> None:
        asked.set()
        await answered.wait()
        writer.write(STREAM + token("a") + b"data: [DONE]\n\n")
        await writer.drain()

    async with linked(script) as link, link.stream_chat(BODY) as stream:
        await asked.wait()
        answered.set()
        assert [chunks async for chunks in stream] == [[chunk("a")]]


async def test_where_no_engine_is_a_stream_is_entered_and_its_first_chunk_says_so() -> None:
    entered: list[EngineClient] = []

    async def first_chunk(link: EngineClient) -> None:
        async with link.stream_chat(BODY) as stream:
            entered.append(link)
            await anext(stream)

    absent, closed = EngineClient(NOBODY, None), EngineClient(NOBODY, None)
    closed.close()
    for link in (absent, closed):
        with pytest.raises(EngineGone) as gone:
            await first_chunk(link)
        assert gone.value.client is link
    assert entered == [absent, closed]


async def test_chunks_that_come_while_nobody_reads_are_read_together() -> None:
    sent = anyio.Event()

    async def script(_head: str, _reader: Any, writer: Any) -> None:
        writer.write(STREAM)
        for number in range(100):
            writer.write(token(str(number)))
        writer.write(b"data: [DONE]\n\n")
        await writer.drain()
        sent.set()

    async with linked(script) as link, link.stream_chat(BODY) as stream:
        await sent.wait()
        await link.drain()
        assert [chunks async for chunks in stream] == [[chunk(str(number)) for number in range(100)]]


async def test_whatever_the_engine_sends_counts_as_received() -> None:
    async with linked(always(STREAM, token("a"), b"data: [DONE]\n\n")) as link:
        assert link.received == 0
        async with link.stream_chat(BODY) as stream:
            await anext(stream)
            received = link.received
            assert received > 0
        assert link.received >= received
