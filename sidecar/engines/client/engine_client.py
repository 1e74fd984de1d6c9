"""Talking to one engine over its HTTP API.

Owns the questions, the key and what an engine's answers mean. Knows nothing of processes: when the engine is gone it
says so, and `server` finds out why.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import msgspec
import orjson

from sidecar.contract.errors import EngineUnresponsive, NotSupported, SidecarError
from sidecar.engines.client import http1
from sidecar.engines.client.api import Prompt, Props, Slot, TokenCount, Tokens
from sidecar.engines.client.chat_stream import ChatChunk, ChunkReader
from sidecar.engines.client.exchange import CONNECT_SECONDS, Address, Broken, Exchange
from sidecar.engines.client.http_errors import refusal
from sidecar.engines.client.idle_timeout import IdleTimeout
from sidecar.engines.output.start_output import NOT_JSON

ANSWER_SECONDS = 30.0
"""For small questions: health, properties, token counts of long texts."""

LAST_BYTES_SECONDS = 0.5
"""How long the answers of an engine that has ended may take to be read to their end. Its sockets are closed by then,
unless a process below it holds one."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""The largest answer to a question: token lists of the longest texts have some MB."""

T = TypeVar("T")

Hear = Callable[[list[ChatChunk]], None]
"""Takes chunks of a streamed answer, in the turn of the loop in which they come. It must not block."""


class EngineGone(Exception):
    """The connection broke: the engine ended or hung up.

    Attributes:
        link: the link that it was, which may have been followed by another one.
    """

    def __init__(self, message: str, link: EngineClient | None = None) -> None:
        super().__init__(message)
        self.link = link


class EngineClient:
    """A client of one engine. Making one sends nothing.

    Args:
        address: `unix://…`, `http://…` or `https://…`.
        api_key: sent with every request, where there is one.

    Attributes:
        heard: grows with whatever the engine streams.
        asked_at: when it was last asked something, or has last answered, on the monotonic clock. Whether it is well
            is no question.
        closed: nothing can be asked any more.

    Raises:
        ValueError: the address is none.
    """

    def __init__(self, address: str, api_key: str | None) -> None:
        self.heard = 0
        self.asked_at = time.monotonic()
        self._address = Address.parse(address)
        self._host = self._address.host_field
        self._api_key = api_key
        self.closed = False
        self._under_way: set[Exchange] = set()
        self._questions = 0
        self._read_out = anyio.Event()

    async def read_out(self) -> None:
        """Wait until the answers of an engine that has ended are read: its last words are under way to us still.

        Its sockets end by themselves; at most LAST_BYTES_SECONDS for those that do not.
        """
        if self._under_way:
            if self._read_out.is_set():
                self._read_out = anyio.Event()
            with anyio.move_on_after(LAST_BYTES_SECONDS):
                await self._read_out.wait()

    def close(self) -> None:
        """Hang up: whatever is under way ends with EngineGone. Safe to call twice."""
        self.closed = True
        for exchange in self._under_way:
            exchange.break_off(Broken("the link is closed"))

    async def health(self, timeout_seconds: float | None = None) -> tuple[int | None, float]:
        """HTTP status of `/health` and the milliseconds it took; no status where nobody answers in time.

        Args:
            timeout_seconds: CONNECT_SECONDS where it is left out.
        """
        started = time.perf_counter()
        exchange = Exchange(self._request("GET", "/health"), lambda _: True)
        try:
            with anyio.fail_after(timeout_seconds or CONNECT_SECONDS):
                await self._exchanged(exchange)
            status = exchange.answer.status
        except (EngineGone, TimeoutError):
            status = None
        return status, (time.perf_counter() - started) * 1e3

    @property
    def is_asked(self) -> bool:
        """Whether somebody is waiting for an answer."""
        return self._questions > 0

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

    async def chat(self, body: dict[str, Any], hear: Hear, sent: Callable[[], None] = lambda: None) -> None:
        """A streamed chat completion: `hear` gets its chunks as they come, several at a time when they come fast.

        Being cancelled hangs up, which makes the engine stop. What `hear` raises is left alone.

        Args:
            body: the request.
            sent: called once, when the engine has work to do, or turns out not to be there.

        Raises:
            ContextTooLong, InvalidParams, NotSupported, EngineUnresponsive: the engine refuses.
            EngineGone: the engine hung up.
        """
        reader, refused = ChunkReader(), bytearray()

        def take(data: bytes) -> bool:
            self.heard += 1
            if exchange.answer.status != 200:
                refused.extend(data)
                return len(refused) > MAX_ANSWER_BYTES
            if chunks := reader.feed(data):
                hear(chunks)
            return reader.over

        exchange = Exchange(self._request("POST", "/v1/chat/completions", body), take, sent)
        with IdleTimeout(exchange):
            await self._see_through(exchange)
        if exchange.answer.status != 200:
            raise refusal(exchange.answer.status or 0, bytes(refused))
        if reader.error is not None:
            raise refusal(500, orjson.dumps({"error": reader.error}))
        if reader.problem is not None:
            raise EngineUnresponsive(f"The engine's answer can not be understood: {reader.problem}.")
        if not reader.done:
            raise EngineGone("the answer broke off", self)

    async def _ask(self, verb: str, path: str, body: object = None, *, answer: type[T]) -> T:
        """Ask a small question.

        Raises:
            SidecarError: the engine refuses, is silent, or answers something else.
            EngineGone: the engine hung up.
        """
        data = bytearray()

        def take(part: bytes) -> bool:
            data.extend(part)
            return len(data) > MAX_ANSWER_BYTES

        exchange = Exchange(self._request(verb, path, body), take)
        try:
            with anyio.fail_after(ANSWER_SECONDS):
                await self._see_through(exchange)
        except TimeoutError:
            raise EngineUnresponsive(f"The engine did not answer {path} in {ANSWER_SECONDS:.0f} s.") from None
        if len(data) > MAX_ANSWER_BYTES:
            raise EngineUnresponsive(f"The engine's answer is longer than {MAX_ANSWER_BYTES} bytes.")
        if exchange.answer.status != 200:
            raise refusal(exchange.answer.status or 0, bytes(data))
        try:
            return msgspec.json.decode(data, type=answer, strict=False)
        except NOT_JSON as error:
            raise EngineUnresponsive(f"The engine's answer to {path} can not be understood: {error}.") from None

    def _request(self, verb: str, path: str, body: object = None) -> bytes:
        data = orjson.dumps(body) if body is not None else None
        return http1.request(verb, self._address.path + path, host=self._host, key=self._api_key, body=data)

    async def _see_through(self, exchange: Exchange) -> None:
        """Let a question be answered.

        Raises:
            EngineGone: the connection failed or broke, or the link is closed.
        """
        self._questions += 1
        try:
            await self._exchanged(exchange)
        finally:
            self._questions -= 1
            self.asked_at = time.monotonic()

    async def _exchanged(self, exchange: Exchange) -> None:
        """Let an exchange run to its end.

        Raises:
            EngineGone: the connection failed or broke, or the link is closed.
        """
        if self.closed:
            raise EngineGone("the link is closed", self)
        self._under_way.add(exchange)
        try:
            await exchange.run(self._address)
        except Broken as error:
            raise EngineGone(str(error), self) from error
        finally:
            self._under_way.discard(exchange)
            if not self._under_way:
                self._read_out.set()
