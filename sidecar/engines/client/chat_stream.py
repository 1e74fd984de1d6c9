"""An engine's streamed answer.

Owns how long it is read, and how it ends. Knows nothing of what an answer is for.
"""

from __future__ import annotations

from typing import Self

import anyio
import orjson

from sidecar.contract.errors import EngineUnresponsive
from sidecar.engines.client.chat_chunk import ChatChunk
from sidecar.engines.client.chunk_reader import ChunkReader
from sidecar.engines.client.exchange import EngineGone, Exchange
from sidecar.engines.client.http_errors import refusal

MAX_REFUSAL_BYTES = 1024 * 1024
"""How much of an error response is read."""

LAST_EVENTS_SECONDS = 5.0
"""How long the end of a stream is awaited after its finish_reason: engines send the usage immediately, and some neither
send `[DONE]` nor close the connection."""


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
        self._began = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[ChatChunk]:
        reader = self._reader
        while not reader.over:
            data = await (self._read_last() if reader.finished else self._exchange.read())
            if self._exchange.response.status != 200:
                await self._raise_refusal(data)
            if chunks := reader.feed(data) if data else reader.end():
                self._began = True
                self._exchange.events += len(chunks)
                return chunks
        if reader.error is not None:
            raise refusal(500, orjson.dumps({"error": reader.error}), in_answer=self._began)
        if reader.problem is not None:
            raise EngineUnresponsive(f"The engine's answer cannot be understood: {reader.problem}.")
        if reader.broke_off:
            raise EngineGone("the answer broke off")
        raise StopAsyncIteration

    async def _read_last(self) -> bytes:
        """What follows the finish_reason: nothing, where the engine says no more. The answer is complete."""
        with anyio.move_on_after(LAST_EVENTS_SECONDS):
            try:
                return await self._exchange.read()
            except EngineGone:
                return b""
        return b""

    async def _raise_refusal(self, data: bytes) -> None:
        body = bytearray(data)
        while data and len(body) <= MAX_REFUSAL_BYTES:
            data = await self._exchange.read()
            body += data
        raise refusal(self._exchange.response.status or 0, bytes(body))
