"""Requests under way: their tasks, the lanes in which some wait for each other, and the calls that handlers get.

Owns a request's channel, from its reservation to its last event, and that no task outlives the sidecar's hosts. Plain
asyncio tasks, since a task group's tasks cost a `ping` a fifth of its time; the scopes make cancellation the same as
anywhere else. Knows nothing of ids or JSON-RPC.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from typing import Any

import anyio

from sidecar.contract import CancelledEvent, ErrorEvent, Lane, Params, WireError
from sidecar.contract.errors import Cancelled, InvalidParams, Overloaded, SidecarError
from sidecar.dispatch.errors import as_sidecar_error
from sidecar.events.event_log import EventLog, EventSource
from sidecar.events.outbox import Channel, Outbox
from sidecar.logs.defects import internal_error

MAX_SUBSCRIPTIONS = 64
"""Of one host. Each costs memory and may take readings ten times a second; a window needs one or two."""


class Channels:
    """The live channels of one host, by name.

    Attributes:
        max_line_bytes: the longest line that the host reads.
    """

    def __init__(self, outbox: Outbox, *, max_line_bytes: int) -> None:
        self.max_line_bytes = max_line_bytes
        self._outbox = outbox
        self._live: dict[str, Channel | None] = {}
        self._subscriptions: dict[str, Callable[[], object]] = {}
        self._left = False

    def reserve(self, name: str) -> None:
        """Claim a name.

        Raises:
            InvalidParams: the host has a live channel of this name.
        """
        if name in self._live:
            raise InvalidParams(
                f"The channel {name!r} is in use.", path="$.channel", hint="Choose a name of its own for each request."
            )
        self._live[name] = None

    def reserved(self, name: str | None) -> AbstractContextManager[None]:
        """Reserve the channel of a request, if it names one, while the request is under way.

        The channel always ends before its request: with the error, where its source has not ended it.

        Raises:
            SidecarError: the error that the host gets for an exception inside.
            InvalidParams: the host has a live channel of this name.
        """
        return nullcontext() if name is None else self._reserved(name)

    @contextmanager
    def _reserved(self, name: str) -> Iterator[None]:
        self.reserve(name)
        error: SidecarError | None = None
        try:
            yield
        except BaseException as exc:
            error = as_sidecar_error(exc)
            if isinstance(exc, anyio.get_cancelled_exc_class()):
                raise
            raise error from None
        finally:
            self.finish(name, error)

    def refuse(self, name: str, error: SidecarError) -> None:
        """Send the error of a request that was not started, unless another request has the channel."""
        if name not in self._live:
            self.reserve(name)
            self.finish(name, error)

    def open(self, name: str, source: EventSource, *, after_seq: int = 0) -> Channel:
        """Connect a reserved channel to a source."""
        channel = self._live[name] = self._outbox.open_channel(name, source, after_seq=after_seq)
        return channel

    def finish(self, name: str, error: SidecarError | None) -> None:
        """Free a name; the channel ends with the error where its source has not ended it."""
        channel = self._live.pop(name)
        if channel is None:
            if error is None:
                return
            channel = self._outbox.open_channel(name, EventLog())
        if error is not None:
            self._outbox.end_channel(channel, _final_event(error))
        # Without an error the source has written its last event, which waits in the outbox before the response.

    def subscribe(self, name: str, source: EventSource, stop: Callable[[], object]) -> None:
        """Open a channel that outlives its request, until `unsubscribe`.

        Raises:
            InvalidParams: the host has a live channel of this name.
            Overloaded: the host has `MAX_SUBSCRIPTIONS` already.
            Cancelled: the host has left.
        """
        if self._left:
            raise Cancelled("The host is gone.")
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            raise Overloaded(
                f"{len(self._subscriptions)} subscriptions are open.",
                hint="Close some with unsubscribe; one can have several topics.",
                queue_size=len(self._subscriptions),
            )
        self.reserve(name)
        self._subscriptions[name] = stop
        self.open(name, source)

    def unsubscribe(self, name: str) -> bool:
        """Have a subscription's source write its last event; False where no subscription has this name."""
        stop = self._subscriptions.pop(name, None)
        if stop is None:
            return False
        stop()
        self.finish(name, None)
        return True

    def leave(self) -> None:
        """End the subscriptions, and refuse those that a request under way begins later: nothing would end them."""
        self._left = True
        self.end_subscriptions()

    def end_subscriptions(self) -> None:
        """Have the source of every subscription write its last event."""
        for name in list(self._subscriptions):
            self.unsubscribe(name)


class RequestCall:
    """`handlers.call.Call` for one request."""

    def __init__(self, channels: Channels, channel: str | None, params: Mapping[str, Any]) -> None:
        self.params = params
        self._channels = channels
        self._channel = channel

    @property
    def max_line_bytes(self) -> int:
        return self._channels.max_line_bytes

    def limit_lines(self, max_line_bytes: int) -> None:
        self._channels.max_line_bytes = max_line_bytes

    def follow(self, source: EventSource, *, after_seq: int = 0) -> None:
        if self._channel is not None:
            self._channels.open(self._channel, source, after_seq=after_seq)

    def subscribe(self, channel: str, source: EventSource, stop: Callable[[], object]) -> None:
        self._channels.subscribe(channel, source, stop)

    def unsubscribe(self, channel: str) -> bool:
        return self._channels.unsubscribe(channel)


def _final_event(error: SidecarError) -> ErrorEvent | CancelledEvent:
    if isinstance(error, Cancelled):
        return CancelledEvent(**{name: error.data[name] for name in Cancelled.members() if name in error.data})
    return ErrorEvent(error=WireError.of(error))


class RequestTasks:
    """Requests under way."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], anyio.CancelScope] = {}

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Allow requests to run; on leaving, cancel those under way and wait for them."""
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                while self._running:  # a request may have started another
                    for scope in self._running.values():
                        scope.cancel()
                    await asyncio.wait(list(self._running))

    def start(self, request: Coroutine[None, None, None], scope: anyio.CancelScope) -> None:
        """Run a request in a task of its own; the request enters the scope itself."""
        task = asyncio.get_running_loop().create_task(request)
        self._running[task] = scope
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        if not task.cancelled() and (problem := task.exception()) is not None:
            internal_error(problem)


class Lanes:
    """One first-come-first-served lock a lane and key; a lock that is free is forgotten."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str | None], anyio.Lock] = {}

    def enter(self, lane: Lane | None, params: Params) -> AbstractAsyncContextManager[None]:
        """Wait for a turn in a lane; does not wait where there is no lane."""
        return nullcontext() if lane is None else self._one_at_a_time(lane, params)

    @asynccontextmanager
    async def _one_at_a_time(self, lane: Lane, params: Params) -> AsyncIterator[None]:
        key = (lane.name, getattr(params, lane.key) if lane.key else None)
        lock = self._locks.setdefault(key, anyio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked() and not lock.statistics().tasks_waiting:
                self._locks.pop(key, None)
