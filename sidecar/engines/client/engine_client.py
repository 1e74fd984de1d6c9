"""A client of one engine's HTTP API, which is llama-server's: health, properties, token counts, answers.

Owns the requests, the key and the meaning of responses. Knows nothing of processes: if the engine is gone it raises
EngineGone, and the caller finds out why. Callers read the answers themselves; there are no callbacks.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import msgspec
import orjson

from sidecar.contract.errors import EngineUnresponsive, NotSupported, Overloaded, SidecarError
from sidecar.engines.client.chat_stream import ChatStream
from sidecar.engines.client.connection import LOCAL_SECONDS, Address
from sidecar.engines.client.exchange import EngineGone, Exchange, request
from sidecar.engines.client.http_errors import refusal
from sidecar.engines.output.start_output import NOT_JSON

__all__ = ["EngineClient", "EngineGone", "Props"]

ANSWER_SECONDS = 30.0
"""Timeout of small requests: properties, slots, token counts of long texts."""

IDLE_SECONDS = 180.0
"""Idle timeout before and within a streamed answer; it expires after one to two times this. llama-server sends
something every 30 s even while it waits."""

LAST_BYTES_SECONDS = 0.5
"""How long it may take to read the remaining bytes of an engine that has ended. Its sockets are closed by then, unless
a child process of it holds one."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""The largest response to a small request: token lists of the longest texts have some MB."""

T = TypeVar("T")


class Props(msgspec.Struct):
    """An engine's properties. Members that older builds leave out have defaults."""

    class Generation(msgspec.Struct):
        n_ctx: int = 0
        params: dict[str, Any] | None = None

    class Modalities(msgspec.Struct):
        vision: bool = False
        audio: bool = False

    default_generation_settings: Generation = msgspec.field(default_factory=Generation)
    modalities: Modalities | None = None
    total_slots: int = 1
    build_info: str | None = None
    chat_template: str | None = None
    chat_template_tool_use: str | None = None
    chat_template_caps: dict[str, Any] | None = None


class Slot(msgspec.Struct):
    """One of an engine's slots."""

    is_processing: bool = False


class Tokens(msgspec.Struct):
    """A text in tokens, of which only the number is used."""

    tokens: list[msgspec.Raw]


class TokenCount(msgspec.Struct):
    """Tokens of a conversation."""

    input_tokens: int


class Prompt(msgspec.Struct):
    """A conversation rendered with the model's template."""

    prompt: str


class EngineClient:
    """A client of one engine. The constructor sends nothing.

    Args:
        address: `unix://…`, `http://…` or `https://…`.
        api_key: sent with every request; `None` for no key.

    Attributes:
        last_used_at: when the last request ended, or this client was made, on the monotonic clock. Health checks do
            not count.
        closed: no more requests can be made.
        shortages: health checks that were not made, for lack of a descriptor.

    Raises:
        ValueError: the address is invalid.
    """

    def __init__(self, address: str, api_key: str | None) -> None:
        self.last_used_at = time.monotonic()
        self.closed = False
        self.shortages = 0
        self._address = Address.parse(address)
        self._base = self._address.base
        self._fields = self._address.fields()
        if api_key is not None:
            self._fields.append(f"Authorization: Bearer {api_key}")
        self._received = 0
        self._open: set[Exchange] = set()
        self._hung_up: set[Exchange] = set()
        self._requests = 0
        self._answers = 0
        self._events = 0

    @property
    def received(self) -> int:
        """A counter that grows with every read from the engine."""
        return self._received + sum(exchange.received for exchange in self._open)

    @property
    def is_in_use(self) -> bool:
        """Whether a request is under way."""
        return self._requests > 0

    @property
    def unfinished(self) -> int:
        """Answers that were left, and on which the engine still works."""
        self._hung_up = {exchange for exchange in self._hung_up if not exchange.closed}
        return len(self._hung_up)

    @property
    def answering(self) -> int:
        """Answers that are under way, those that were left included."""
        return self._answers + self.unfinished

    @property
    def events(self) -> int:
        """A counter that grows with the progress of answers; what an engine sends only to keep a connection alive does
        not count, but what we have not read yet does."""
        return self._events + sum(one.events + one.response.has_data for one in self._open)

    async def drain(self) -> None:
        """Wait until the remaining bytes of an engine that has ended are read: at most LAST_BYTES_SECONDS."""
        with anyio.move_on_after(LAST_BYTES_SECONDS):
            for exchange in list(self._open):
                await exchange.ended.wait()

    def close(self) -> None:
        """Close all connections: requests that are under way end with EngineGone. Safe to call twice."""
        self.closed = True
        for exchange in (*self._open, *self._hung_up):
            exchange.close(EngineGone("the client is closed"))

    async def health(self, timeout_seconds: float | None = None) -> tuple[int | None, float]:
        """HTTP status of `/health` and the milliseconds it took; the status is `None` if no response came in time.

        Args:
            timeout_seconds: default: LOCAL_SECONDS.
        """
        started = time.perf_counter()
        status = None
        try:
            with anyio.fail_after(timeout_seconds or LOCAL_SECONDS):
                async with self._exchange("GET", "/health", counts_as_use=False) as exchange:
                    await exchange.read()
                    status = exchange.response.status
        except Overloaded:
            self.shortages += 1
        except (EngineGone, TimeoutError):
            pass
        return status, (time.perf_counter() - started) * 1e3

    async def props(self) -> Props:
        """The engine's properties."""
        return await self._ask("GET", "/props", answer=Props)

    async def busy_slots(self) -> int | None:
        """How many requests the engine is processing; `None` if it does not report that."""
        try:
            slots = await self._ask("GET", "/slots", answer=list[Slot])
        except SidecarError:
            return None
        return sum(slot.is_processing for slot in slots)

    async def slots_text(self) -> tuple[int, bytes] | None:
        """How many slots are busy, and all that the engine reports of them, to be compared; `None` if it does not."""
        try:
            text = await self._ask("GET", "/slots", answer=msgspec.Raw)
            return sum(slot.is_processing for slot in msgspec.json.decode(text, type=list[Slot])), bytes(text)
        except (SidecarError, EngineGone, *NOT_JSON):
            return None

    async def try_template(self, messages: list[dict[str, Any]], *, seconds: float) -> None:
        """Render a conversation with the model's template.

        Raises:
            TimeoutError: that takes longer.
            SidecarError: the template refuses the conversation, or the engine has no such endpoint.
            EngineGone: the engine closed the connection.
        """
        with anyio.fail_after(seconds):
            await self._ask("POST", "/apply-template", {"messages": messages}, answer=Prompt)

    async def count_text(self, text: str) -> int:
        """Tokens of a text, without a template."""
        return len((await self._ask("POST", "/tokenize", {"content": text}, answer=Tokens)).tokens)

    async def count_chat(self, body: dict[str, Any]) -> int:
        """Tokens of a conversation rendered with the model's template: the length of the prompt for this body."""
        try:
            count = await self._ask("POST", "/v1/chat/completions/input_tokens", body, answer=TokenCount)
        except NotSupported:  # builds older than that endpoint
            prompt = (await self._ask("POST", "/apply-template", body, answer=Prompt)).prompt
            text = {"content": prompt, "add_special": True, "parse_special": True}
            return len((await self._ask("POST", "/tokenize", text, answer=Tokens)).tokens)
        return count.input_tokens

    @asynccontextmanager
    async def stream_chat(self, body: dict[str, Any]) -> AsyncIterator[ChatStream]:
        """A streamed chat completion.

            async with client.stream_chat(body) as answer:
                ...  # the request is sent; if that failed, iterating raises
                async for chunks in answer:
                    ...

        Leaving the block makes the engine stop; until it has, the answer is one of the `unfinished`.

        Raises:
            The errors of ChatStream.
        """
        async with self._exchange("POST", "/v1/chat/completions", body, idle_seconds=IDLE_SECONDS) as exchange:
            self._answers += 1
            try:
                yield ChatStream(exchange)
            finally:
                self._answers -= 1
                exchange.hang_up()
                self._hung_up.add(exchange)

    async def _ask(self, verb: str, path: str, body: object = None, *, answer: type[T]) -> T:
        """Send a small request.

        Raises:
            SidecarError: the engine refuses, does not answer in time, or sends an invalid response.
            EngineGone: the engine closed the connection.
        """
        data = bytearray()
        try:
            with anyio.fail_after(ANSWER_SECONDS):
                async with self._exchange(verb, path, body) as exchange:
                    while part := await exchange.read():
                        data += part
                        if len(data) > MAX_ANSWER_BYTES:
                            raise EngineUnresponsive(f"The engine's answer is longer than {MAX_ANSWER_BYTES} bytes.")
        except TimeoutError:
            raise EngineUnresponsive(f"The engine did not answer {path} in {ANSWER_SECONDS:.0f} s.") from None
        if exchange.response.status != 200:
            raise refusal(exchange.response.status or 0, bytes(data))
        try:
            return msgspec.json.decode(data, type=answer, strict=False)
        except NOT_JSON as error:
            raise EngineUnresponsive(f"The engine's answer to {path} cannot be understood: {error}.") from None

    @asynccontextmanager
    async def _exchange(
        self,
        verb: str,
        path: str,
        body: object = None,
        *,
        idle_seconds: float | None = None,
        counts_as_use: bool = True,
    ) -> AsyncIterator[Exchange]:
        """A request and its response; closed at the end of the block. If it could not be sent, reading raises."""
        data = orjson.dumps(body) if body is not None else None
        exchange = Exchange(request(verb, self._base + path, self._fields, data), idle_seconds=idle_seconds)
        self._open.add(exchange)
        self._requests += counts_as_use
        try:
            if self.closed:
                exchange.close(EngineGone("the client is closed"))
            else:
                await exchange.open(self._address)
            yield exchange
        except EngineGone as error:
            error.client = self
            raise
        finally:
            if exchange not in self._hung_up:
                exchange.close()
            self._open.discard(exchange)
            self._received += exchange.received
            self._events += exchange.events
            if counts_as_use:
                self._requests -= 1
                self.last_used_at = time.monotonic()
