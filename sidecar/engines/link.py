"""Talking to one engine over its HTTP API.

Owns the connections, the key and what an engine's answers mean. Knows nothing of processes: when the engine is gone
it says so, and `server` finds out why.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread
import msgspec
import orjson

from sidecar.contract.errors import EngineUnresponsive, NotSupported, SidecarError
from sidecar.engines.api import Prompt, Props, Slot, TokenCount, Tokens
from sidecar.engines.output import NOT_JSON
from sidecar.engines.refusal import refusal
from sidecar.engines.silence import SILENCE_SECONDS, Silence, silent
from sidecar.engines.stream import ChatChunk, ChunkReader

if TYPE_CHECKING:
    import aiohttp

CONNECT_SECONDS = 5.0
"""An engine on this machine accepts at once or not at all."""

ANSWER_SECONDS = 30.0
"""For small questions: health, properties, token counts of long texts."""

LAST_BYTES_SECONDS = 0.5
"""How long the answers of an engine that has ended may take to be read to their end. Its sockets are closed by then,
unless a process below it holds one."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""The largest answer to a question: token lists of the longest texts have some MB."""

UNIX_HOST = "http://engine"
"""The host part of URLs over a UNIX socket; it is not looked up."""

T = TypeVar("T")


class EngineGone(Exception):
    """The connection broke: the engine ended or hung up.

    Attributes:
        link: the link that it was, which may have been followed by another one.
    """

    def __init__(self, message: str, link: EngineLink | None = None) -> None:
        super().__init__(message)
        self.link = link


class EngineLink:
    """A client of one engine.

    Attributes:
        heard: grows with whatever the engine streams.
    """

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self.base_url = base_url
        self.heard = 0
        self._bodies: set[aiohttp.StreamReader] = set()
        self._answers = 0
        self._read_out = anyio.Event()

    @classmethod
    async def open(cls, address: str, api_key: str | None) -> EngineLink:
        """A client for `http://…` or `unix://…`; nothing is sent yet."""
        # A third of a second of imports that only a running engine needs; the loop goes on meanwhile.
        aiohttp = await anyio.to_thread.run_sync(_import_aiohttp)
        # A connection for each request: an engine closes idle ones after some seconds, and a message that is sent at
        # that very moment would be lost. To connect takes a tenth of a millisecond.
        options: dict[str, Any] = {"limit": 0, "force_close": True}
        if address.startswith("unix://"):
            base_url, connector = UNIX_HOST, aiohttp.UnixConnector(address.removeprefix("unix://"), **options)
        else:
            base_url, connector = address, aiohttp.TCPConnector(**options)
        session = aiohttp.ClientSession(
            connector=connector,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else None,
            # Silence within an answer is `Silence`'s: aiohttp's own watch would set a timer for every token.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            json_serialize=lambda value: orjson.dumps(value).decode(),
            read_bufsize=256 * 1024,
            trust_env=False,  # no proxy stands between us and an engine
        )
        return cls(session, base_url)

    async def read_out(self) -> None:
        """Wait until the answers of an engine that has ended are read: its last words are under way to us still.

        Its sockets end by themselves; at most LAST_BYTES_SECONDS for those that do not.
        """
        if self._answers:
            self._read_out = anyio.Event()
            with anyio.move_on_after(LAST_BYTES_SECONDS):
                await self._read_out.wait()

    async def close(self) -> None:
        """Hang up: whatever is under way ends with EngineGone. Safe to call twice."""
        # aiohttp forgets who reads a chunked answer when it closes the connection itself: they would wait for ever.
        for body in self._bodies:
            body.set_exception(ConnectionError("the link is closed"))
        await self._session.close()

    async def health(self, timeout_seconds: float | None = None) -> tuple[int | None, float]:
        """HTTP status of `/health` and the milliseconds it took; no status where nobody answers in time.

        Args:
            timeout_seconds: CONNECT_SECONDS where it is left out.
        """
        started = time.perf_counter()
        status = None
        try:
            with anyio.fail_after(timeout_seconds or CONNECT_SECONDS), self._breaking():
                async with self._session.get(f"{self.base_url}/health", allow_redirects=False) as response:
                    status = response.status
        except (EngineGone, TimeoutError):
            status = None
        return status, (time.perf_counter() - started) * 1e3

    async def props(self) -> Props:
        """What the engine says of itself."""
        return await self._ask("GET", "/props", answer=Props)

    async def busy_slots(self) -> int | None:
        """How many messages it works on; `None` where it does not tell."""
        try:
            slots = await self._ask("GET", "/slots", answer=list[Slot])
        except SidecarError:
            return None
        return sum(slot.is_processing for slot in slots)

    async def count_text(self, text: str) -> int:
        """Tokens of a text, without a template."""
        return len((await self._ask("POST", "/tokenize", {"content": text}, answer=Tokens)).tokens)

    async def count_chat(self, body: dict[str, Any]) -> int:
        """Tokens of a conversation with the model's template around it: what `chat` with this body would cost."""
        try:
            count = await self._ask("POST", "/v1/chat/completions/input_tokens", body, answer=TokenCount)
        except NotSupported:  # builds from before that endpoint
            prompt = (await self._ask("POST", "/apply-template", body, answer=Prompt)).prompt
            request = {"content": prompt, "add_special": True, "parse_special": True}
            return len((await self._ask("POST", "/tokenize", request, answer=Tokens)).tokens)
        return count.input_tokens

    @asynccontextmanager
    async def chat(self, body: dict[str, Any]) -> AsyncIterator[AsyncIterator[list[ChatChunk]]]:
        """A streamed chat completion: an iterator over the chunks, several at a time when they come fast.

        Leaving the context hangs up, which makes the engine stop. What the block itself raises is left alone.

        Raises:
            ContextTooLong, InvalidParams, NotSupported, EngineUnresponsive: the engine refuses.
            EngineGone: the engine hung up.
        """
        with self._answering():
            response = await self._begin(body)
            try:
                if response.status != 200:
                    raise refusal(response.status, await self._read_refusal(response))
                yield self._read_chunks(response)
            finally:
                response.close()  # not back to the pool: an answer left early must end at the engine, too

    async def _begin(self, body: dict[str, Any]) -> aiohttp.ClientResponse:
        """The head of a streamed answer."""
        url = f"{self.base_url}/v1/chat/completions"
        try:
            with anyio.fail_after(SILENCE_SECONDS), self._breaking():
                return await self._session.post(url, json=body, allow_redirects=False)
        except TimeoutError:
            raise silent() from None

    async def _ask(self, verb: str, path: str, body: object = None, *, answer: type[T]) -> T:
        """Ask a small question.

        Raises:
            SidecarError: the engine refuses, is silent, or answers something else.
            EngineGone: the engine hung up.
        """
        try:
            with anyio.fail_after(ANSWER_SECONDS), self._breaking():
                async with self._session.request(
                    verb, self.base_url + path, json=body, allow_redirects=False
                ) as response:
                    data = await self._read(response)
                    if response.status != 200:
                        raise refusal(response.status, data)
        except TimeoutError:
            raise EngineUnresponsive(f"The engine did not answer {path} in {ANSWER_SECONDS:.0f} s.") from None
        try:
            return msgspec.json.decode(data, type=answer, strict=False)
        except NOT_JSON as error:
            raise EngineUnresponsive(f"The engine's answer to {path} can not be understood: {error}.") from None

    async def _read_refusal(self, response: aiohttp.ClientResponse) -> bytes:
        """The text of an error response; an engine that does not get to its end has said enough with its status."""
        try:
            with anyio.fail_after(ANSWER_SECONDS), self._breaking():
                return await self._read(response)
        except TimeoutError:
            return b""

    async def _read_chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[list[ChatChunk]]:
        reader, failures = ChunkReader(), _failures()
        with self._reading(response) as body, Silence(body) as silence:
            while not reader.done:
                try:
                    data = await body.readany()
                except TimeoutError:
                    raise silent() from None
                except failures as error:
                    raise EngineGone(str(error), self) from error
                if not data:
                    raise EngineGone("the answer broke off", self)
                silence.broken = True
                self.heard += 1
                if chunks := reader.feed(data):
                    yield chunks
                if reader.error is not None:
                    raise refusal(500, orjson.dumps({"error": reader.error}))
                if reader.problem is not None:
                    raise EngineUnresponsive(f"The engine's answer can not be understood: {reader.problem}.")

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """The whole answer, if it is not absurdly long."""
        parts: list[bytes] = []
        left = MAX_ANSWER_BYTES
        with self._reading(response) as body:
            while left > 0 and (part := await body.readany()):
                parts.append(part)
                left -= len(part)
        if left <= 0:
            raise EngineUnresponsive(f"The engine's answer is longer than {MAX_ANSWER_BYTES} bytes.")
        return b"".join(parts)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """An answer under way, for `read_out`."""
        self._answers += 1
        try:
            yield
        finally:
            self._answers -= 1
            if not self._answers:
                self._read_out.set()

    @contextmanager
    def _reading(self, response: aiohttp.ClientResponse) -> Iterator[aiohttp.StreamReader]:
        """An answer's body, whose reading ends with the link."""
        self._bodies.add(response.content)
        try:
            yield response.content
        finally:
            self._bodies.discard(response.content)

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        """Tells connections that fail or break as EngineGone; timeouts stay what they are."""
        if self._session.closed:
            raise EngineGone("the link is closed", self)
        try:
            yield
        except TimeoutError:
            raise
        except _failures() as error:
            raise EngineGone(str(error), self) from error


def _failures() -> tuple[type[Exception], ...]:
    """What aiohttp raises when a connection fails. Asked for late: only a link that is open has imported it."""
    import aiohttp

    return (aiohttp.ClientError, asyncio.IncompleteReadError, OSError)


def _import_aiohttp() -> Any:
    import aiohttp

    return aiohttp
