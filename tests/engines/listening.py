"""An answer that a test listens to while it does something else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from sidecar.engines.client.chat_chunk import ChatChunk
from sidecar.engines.client.engine_client import EngineClient, EngineGone


class Listening:
    """What has come of an answer, and what broke it off. `sent` and `begun` are set when that is so."""

    def __init__(self) -> None:
        self.chunks: list[ChatChunk] = []
        self.sent = anyio.Event()
        self.begun = anyio.Event()
        self.broken: EngineGone | None = None

    async def listen(self, client: EngineClient, body: dict[str, Any]) -> None:
        try:
            async with client.stream_chat(body) as stream:
                self.sent.set()
                async for chunks in stream:
                    self.chunks += chunks
                    self.begun.set()
        except EngineGone as error:
            self.broken = error


@asynccontextmanager
async def listening(client: EngineClient, body: dict[str, Any]) -> AsyncIterator[Listening]:
    """Listen to an answer, from its first chunk on; at the end of the block it must end, too."""
    answer = Listening()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer.listen, client, body)
        await answer.begun.wait()
        yield answer


@asynccontextmanager
async def kept_busy(client: EngineClient) -> AsyncIterator[None]:
    """Let the fake engine be in the middle of an answer meanwhile; hung up at the end."""
    answer = Listening()
    body = {"messages": [{"role": "user", "content": "tokens=9 hold-after=2"}]}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer.listen, client, body)
        await answer.begun.wait()
        yield
        tasks.cancel_scope.cancel()
