"""A client of one engine's HTTP API, which is llama-server's: health, properties, token counts, answers.

Owns the requests, the key and what responses mean. Knows nothing of processes: where the engine is gone it says so,
and whoever asked finds out why. What is asked is read by whoever asks: nothing is called back.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import msgspec
import orjson

from sidecar.contract.errors import EngineUnresponsive, NotSupported, SidecarError
from sidecar.engines.client.chat_stream import ChatStream
from sidecar.engines.client.connection import LOCAL_SECONDS, Address
from sidecar.engines.client.exchange import EngineGone, Exchange, request
from sidecar.engines.client.http_errors import refusal
from sidecar.engines.output.start_output import NOT_JSON

__all__ = ["EngineClient", "EngineGone", "Props"]

ANSWER_SECONDS = 30.0
"""For small questions: health, properties, token counts of long texts."""

IDLE_SECONDS = 180.0
"""Longest silence before and within a streamed answer, at least; at most twice that. llama-server sends something every
30 s even while it waits."""

LAST_BYTES_SECONDS = 0.5
"""How long the answers of an engine that has ended may take to be read to their end. Its sockets are closed by then,
unless a process below it holds one."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""The largest answer to a question: token lists of the longest texts have some MB."""

T = TypeVar("T")


class Props(msgspec.Struct):
    """What an engine says of itself. A member that an older build leaves out has a default."""

    class Generation(msgspec.Struct):
        n_ctx: int = 0

    class Modalities(msgspec.Struct):
        vision: bool = False

    default_generation_settings: Generation = msgspec.field(default_factory=Generation)
    modalities: Modalities = msgspec.field(default_factory=Modalities)
    total_slots: int = 1
    build_info: str | None = None


class Slot(msgspec.Struct):
    """One of an engine's places for requests."""

    is_processing: bool = False


class Tokens(msgspec.Struct):
    """A text in tokens, of which only the number is used."""

    tokens: list[msgspec.Raw]


class TokenCount(msgspec.Struct):
    """Tokens of a conversation."""

    input_tokens: int


class Prompt(msgspec.Struct):
    """A conversation with the model's template around it."""

    prompt: str


class EngineClient:
    """A client of one engine. Making one sends nothing.

    Args:
        address: `unix://…`, `http://…` or `https://…`.
        api_key: sent with every request, where there is one.

    Attributes:
        last_used_at: when a request last ended, or this was made, on the monotonic clock. Health checks do not count.
        closed: no more requests can be made.

    Raises:
        ValueError: the address is none.
    """

    def __init__(self, address: str, api_key: str | None) -> None:
        self.last_used_at = time.monotonic()
        self.closed = False
        self._address = Address.parse(address)
        self._base = self._address.base
        self._fields = self._address.fields()
        if api_key is not None:
            self._fields.append(f"Authorization: Bearer {api_key}")
        self._received = 0
        self._open: set[Exchange] = set()
        self._questions = 0

    @property
    def received(self) -> int:
        """Grows with whatever the engine sends."""
        return self._received + sum(exchange.received for exchange in self._open)

    @property
    def is_in_use(self) -> bool:
        """Whether an answer is awaited."""
        return self._questions > 0

    async def drain(self) -> None:
        """Wait until all is here that an engine which has ended has sent: its last words are still under way.

        Its sockets end by themselves; at most LAST_BYTES_SECONDS for those that do not.
        """
        with anyio.move_on_after(LAST_BYTES_SECONDS):
            for exchange in list(self._open):
                await exchange.ended.wait()

    def close(self) -> None:
        """Hang up: whatever is under way ends with EngineGone. Safe to call twice."""
        self.closed = True
        for exchange in self._open:
            exchange.close(EngineGone("the client is closed"))

    async def health(self, timeout_seconds: float | None = None) -> tuple[int | None, float]:
        """HTTP status of `/health` and the milliseconds it took; no status where there is no answer in time.

        Args:
            timeout_seconds: LOCAL_SECONDS where it is left out.
        """
        started = time.perf_counter()
        status = None
        try:
            with anyio.fail_after(timeout_seconds or LOCAL_SECONDS):
                async with self._exchange("GET", "/health", is_question=False) as exchange:
                    await exchange.read()
                    status = exchange.response.status
        except (EngineGone, TimeoutError):
            pass
        return status, (time.perf_counter() - started) * 1e3

    async def props(self) -> Props:
        """What the engine says of itself."""
        return await self._ask("GET", "/props", answer=Props)

    async def busy_slots(self) -> int | None:
        """How many requests it works on; `None` where it does not say."""
        try:
            slots = await self._ask("GET", "/slots", answer=list[Slot])
        except SidecarError:
            return None
        return sum(slot.is_processing for slot in slots)

    async def count_text(self, text: str) -> int:
        """Tokens of a text, without a template."""
        return len((await self._ask("POST", "/tokenize", {"content": text}, answer=Tokens)).tokens)

    async def count_chat(self, body: dict[str, Any]) -> int:
        """Tokens of a conversation with the model's template around it: what an answer to this body would cost."""
        try:
            count = await self._ask("POST", "/v1/chat/completions/input_tokens", body, answer=TokenCount)
        except NotSupported:  # builds from before that endpoint
            prompt = (await self._ask("POST", "/apply-template", body, answer=Prompt)).prompt
            text = {"content": prompt, "add_special": True, "parse_special": True}
            return len((await self._ask("POST", "/tokenize", text, answer=Tokens)).tokens)
        return count.input_tokens

    @asynccontextmanager
    async def stream_chat(self, body: dict[str, Any]) -> AsyncIterator[ChatStream]:
        """A streamed chat completion.

            async with client.stream_chat(body) as answer:
                ...  # the engine is at work, or has turned out not to be there, which `answer` raises
                async for chunks in answer:
                    ...

        Leaving the block hangs up, which makes the engine stop.

        Raises:
            Whatever ChatStream raises.
        """
        async with self._exchange("POST", "/v1/chat/completions", body, idle_seconds=IDLE_SECONDS) as exchange:
            yield ChatStream(exchange)

    async def _ask(self, verb: str, path: str, body: object = None, *, answer: type[T]) -> T:
        """Ask a small question.

        Raises:
            SidecarError: the engine refuses, is silent, or answers something else.
            EngineGone: the engine hung up.
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
        self, verb: str, path: str, body: object = None, *, idle_seconds: float | None = None, is_question: bool = True
    ) -> AsyncIterator[Exchange]:
        """A request that is sent, or has failed to be, and its response; closed at the end of the block."""
        data = orjson.dumps(body) if body is not None else None
        exchange = Exchange(request(verb, self._base + path, self._fields, data), idle_seconds=idle_seconds)
        self._open.add(exchange)
        self._questions += is_question
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
            exchange.close()
            self._open.discard(exchange)
            self._received += exchange.received
            if is_question:
                self._questions -= 1
                self.last_used_at = time.monotonic()
