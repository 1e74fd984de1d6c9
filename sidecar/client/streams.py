"""Events of a request, one after the other, and its result.

Owns the queue between the connection, which pushes events, and the reader, who takes them at his own pace. The queue
has no bound of its own: the events of one request are bounded, and the sidecar merges those that were not read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

E = TypeVar("E")
R = TypeVar("R")

_END = object()


class EventStream(Generic[E, R]):
    """The events of a request that is under way, as an asynchronous iterator, and its result:

        stream = sidecar.send_message_stream(message="Hello!")
        async for event in stream:
            if event.status == "token":
                print(event.chunk, end="")
        answer = await stream.result()

    The request is sent at the first use. If it fails, the iterator ends with the request's error, after the last event.
    As a context (`async with`) it cancels a request that is still under way when the context is left, as `aclose` does.

    Args:
        send: sends the request; called with what takes each event and its number.

    Attributes:
        seq: number of the event that was taken last; 0 before the first. `resume_session` takes it as `after_seq`.
    """

    def __init__(self, send: Callable[[Callable[[E, int], None]], Coroutine[Any, Any, R]]) -> None:
        self.seq = 0
        self._send = send
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._request: asyncio.Task[R] | None = None
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        request = self._begun()
        if not self._ended:
            item = await self._queue.get()
            if item is not _END:
                event: E
                event, self.seq = item
                return event
            self._ended = True
        await asyncio.shield(request)  # raises the request's error
        raise StopAsyncIteration

    async def result(self) -> R:
        """Wait for the result; the events need not be read.

        Raises:
            SidecarError: why the request failed.
            ConnectionClosed: the sidecar has ended.
        """
        return await asyncio.shield(self._begun())

    async def aclose(self) -> None:
        """Cancel the request if it is under way, and end the stream. Safe to call twice."""
        self._ended = True
        if self._request is not None and not self._request.done():
            self._request.cancel()
            await asyncio.wait([self._request])

    async def __aenter__(self) -> Self:
        self._begun()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _begun(self) -> asyncio.Task[R]:
        if self._request is None:
            self._request = asyncio.ensure_future(self._send(self._take_in))
            self._request.add_done_callback(self._end)
        return self._request

    def _take_in(self, event: E, seq: int) -> None:
        self._queue.put_nowait((event, seq))

    def _end(self, request: asyncio.Task[R]) -> None:
        if not request.cancelled():
            request.exception()  # its reader gets it; without one it is not asyncio's to log
        self._queue.put_nowait(_END)
