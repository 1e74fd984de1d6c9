"""Changes that one part of the program publishes and others read.

Owns how a change waits for its readers: each has a queue and reads it in a task of its own. So the publisher knows no
reader, and no reader can hold it up or make it fail.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class Changes(Generic[T]):
    """Changes of one kind, such as the states of servers.

    Attributes:
        subscriptions: the current readers; without any, nothing needs to be published.
    """

    def __init__(self) -> None:
        self.subscriptions: list[Subscription[T]] = []

    def publish(self, change: T) -> None:
        """Add a change to the queue of every current reader."""
        for subscription in self.subscriptions:
            subscription.put(change)

    def subscribe(self) -> Subscription[T]:
        """Read the changes from now on; the caller has to `close` it, or use it in a `with` statement."""
        subscription = Subscription(self.subscriptions)
        self.subscriptions.append(subscription)
        return subscription


class Subscription(Generic[T]):
    """The changes that one reader has not read yet, in their order: `async for change in subscription`.

    It ends when it is closed and all of it has been read. Readers keep up, so the queue is not bounded: changes for a
    host, which may not read, are put into a `LiveFeed`.
    """

    def __init__(self, subscriptions: list[Subscription[T]]) -> None:
        self._subscriptions = subscriptions
        self._unread: deque[T] = deque()
        self._closed = False
        self._news = anyio.Event()

    def put(self, change: T) -> None:
        """Add a change."""
        self._unread.append(change)
        self._news.set()

    def take(self) -> list[T]:
        """The unread changes, without waiting for more."""
        taken = list(self._unread)
        self._unread.clear()
        return taken

    def close(self) -> None:
        """Accept no more changes. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._subscriptions.remove(self)
            self._news.set()

    def __enter__(self) -> Subscription[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> Subscription[T]:
        return self

    async def __anext__(self) -> T:
        while not self._unread:
            if self._closed:
                raise StopAsyncIteration
            self._news = anyio.Event()
            await self._news.wait()
        return self._unread.popleft()
