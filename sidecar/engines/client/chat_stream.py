"""An engine's streamed answer, from bytes to chunks.

Owns the format: OpenAI's server-sent events with llama.cpp's additions (`timings`, `prompt_progress`,
`reasoning_content`); members that are not declared here are skipped. Knows nothing of what an answer is for.
"""

from __future__ import annotations

from typing import Any, Self

import msgspec
import orjson

from sidecar.contract.errors import EngineUnresponsive
from sidecar.engines.client.exchange import EngineGone, Exchange
from sidecar.engines.client.http_errors import refusal
from sidecar.engines.output.start_output import NOT_JSON

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""The largest event; an engine sends none that is longer."""

MAX_REFUSAL_BYTES = 1024 * 1024
"""How much of an error response is read."""


class FunctionDelta(msgspec.Struct):
    """A piece of a function call."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(msgspec.Struct):
    """A piece of a tool call; pieces of one call have the same index."""

    index: int = 0
    id: str | None = None
    function: FunctionDelta | None = None


class Delta(msgspec.Struct):
    """The next piece of the answer."""

    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCallDelta] | None = None


class Choice(msgspec.Struct):
    """One of the answers; we request one."""

    delta: Delta = msgspec.field(default_factory=Delta)
    finish_reason: str | None = None


class PromptDetails(msgspec.Struct):
    """Where the prompt's tokens came from."""

    cached_tokens: int | None = None


class UsageCount(msgspec.Struct):
    """Tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: PromptDetails | None = None


class EngineTimings(msgspec.Struct):
    """llama.cpp's own measurements: counts, and rates in tokens per second."""

    cache_n: int = 0
    prompt_n: int = 0
    prompt_per_second: float | None = None
    predicted_n: int = 0
    predicted_per_second: float | None = None


class PromptProgress(msgspec.Struct):
    """How far the prompt is computed, in tokens."""

    total: int
    processed: int
    cache: int = 0


class ChatChunk(msgspec.Struct):
    """One event of the stream."""

    choices: list[Choice] = []
    usage: UsageCount | None = None
    timings: EngineTimings | None = None
    prompt_progress: PromptProgress | None = None
    error: dict[str, Any] | str | None = None


_decode = msgspec.json.Decoder(ChatChunk).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


class ChunkReader:
    """Splits a byte stream into chunks, in whatever pieces the bytes arrive.

    Attributes:
        over: nothing more is read, for one of these reasons:
        done: the stream ended with its marker.
        error: the engine ended the stream with this error.
        problem: why the data is no chat completion.
    """

    def __init__(self) -> None:
        self.over = False
        self.done = False
        self.error: dict[str, Any] | str | None = None
        self.problem: str | None = None
        self._partial = b""

    def feed(self, data: bytes) -> list[ChatChunk]:
        """The chunks that these bytes complete."""
        chunks: list[ChatChunk] = []
        *lines, self._partial = (self._partial + data if self._partial else data).split(b"\n")
        for line in lines:
            if not line:  # every second one
                continue
            if self.over:
                break
            try:
                # JSON permits the CR of a CRLF.
                chunk = _decode(line[6:]) if line.startswith(b"data: {") else self._read_other(line)
            except NOT_JSON as error:
                self.over, self.problem = True, str(error)
                break
            if chunk is None:
                continue
            if chunk.error is not None:
                self.over, self.error = True, chunk.error
                break
            chunks.append(chunk)
        if len(self._partial) > MAX_EVENT_BYTES:
            self.over, self.problem = True, f"an event of more than {MAX_EVENT_BYTES} bytes"
            self._partial = b""
        return chunks

    def _read_other(self, line: bytes) -> ChatChunk | None:
        # Everything else is a comment that keeps the connection alive, or an event's name.
        if line.startswith(b"data:"):
            payload = line[5:].strip()
            if payload == b"[DONE]":
                self.over = self.done = True
            elif payload:
                return _decode(payload)
        elif line.startswith(b"error:"):  # llama-server before 2025
            return ChatChunk(error=_error(line[6:].strip()))
        return None


class ChatStream:
    """A streamed answer: `async for chunks in stream` yields all chunks that have arrived since the last iteration.

    An answer that is read slowly is buffered here up to a bound, and beyond that in the engine.

    Raises:
        ContextTooLong, InvalidParams, NotSupported, EngineUnresponsive: the engine refuses, or its answer is invalid;
            the chunks before are yielded first.
        EngineGone: the engine closed the connection, or cannot be reached; the chunks before are yielded first.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._reader = ChunkReader()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[ChatChunk]:
        reader = self._reader
        while not reader.over:
            data = await self._exchange.read()
            if self._exchange.response.status != 200:
                await self._raise_refusal(data)
            if not data:
                raise EngineGone("the answer broke off")
            if chunks := reader.feed(data):
                return chunks
        if reader.error is not None:
            raise refusal(500, orjson.dumps({"error": reader.error}))
        if reader.problem is not None:
            raise EngineUnresponsive(f"The engine's answer cannot be understood: {reader.problem}.")
        raise StopAsyncIteration

    async def _raise_refusal(self, data: bytes) -> None:
        body = bytearray(data)
        while data and len(body) <= MAX_REFUSAL_BYTES:
            data = await self._exchange.read()
            body += data
        raise refusal(self._exchange.response.status or 0, bytes(body))


def _error(payload: bytes) -> dict[str, Any] | str:
    try:
        return _decode_object(payload)
    except NOT_JSON:
        return payload.decode("utf-8", "replace")
