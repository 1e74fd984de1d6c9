"""The order in which requests are admitted to a server.

Owns one queue for each server, which admits as many requests as its engine has slots: engines process requests strictly
in the order of arrival, so all waiting happens here. Knows nothing of the requests themselves.
"""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

import anyio
import anyio.lowlevel

from sidecar.contract.errors import QueueFull
from sidecar.servers.server import Server
from sidecar.storage.config import ConfigFile


class AdmissionQueue:
    """Admits at most `capacity` at a time, first come first served."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._admitted = 0
        self._waiting: deque[Ticket] = deque()

    @property
    def admitted(self) -> int:
        """How many are admitted."""
        return self._admitted

    def join(self, *, max_waiting: int) -> Ticket:
        """Take a place.

        Args:
            max_waiting: how many may wait.

        Raises:
            QueueFull: too many wait.
        """
        if len(self._waiting) >= max_waiting:
            raise QueueFull(f"{len(self._waiting)} messages are already waiting.", queue_size=len(self._waiting))
        if self._admitted < self._capacity:
            self._admitted += 1
            return Ticket(self, 0)
        ticket = Ticket(self, len(self._waiting) + 1)
        self._waiting.append(ticket)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Release a place, admitted or still waiting."""
        if ticket.position:
            self._waiting.remove(ticket)
        else:
            self._admitted -= 1
        while self._waiting and self._admitted < self._capacity:
            self._admitted += 1
            self._waiting.popleft().move(0)
        for position, waiting in enumerate(self._waiting, 1):
            waiting.move(position)


class Ticket:
    """A place in a queue; its holder must leave exactly once. As a context it leaves at the end.

    Attributes:
        position: its place among those that wait, from 1; 0 once it is admitted.
    """

    def __init__(self, queue: AdmissionQueue, position: int) -> None:
        self.position = self._known = position
        self._queue = queue
        self._moved: anyio.Event | None = None

    def move(self, position: int) -> None:
        """Change its position; only the queue calls this."""
        if position != self.position:
            self.position = position
            if self._moved is not None:
                self._moved.set()

    async def next_position(self) -> int | None:
        """Wait until the position differs from the one known to the caller, and return it; `None`, without a switch of
        tasks, if the caller knows that it is admitted. For one task."""
        await anyio.lowlevel.checkpoint_if_cancelled()
        if not self._known:
            return None
        while self.position == self._known:
            self._moved = anyio.Event()
            await self._moved.wait()
        self._known = self.position
        return self.position

    def leave(self) -> None:
        """Release the place."""
        self._queue.leave(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


class Scheduler:
    """The queues of the servers.

    Args:
        config: limits how many requests may wait for one server.
    """

    def __init__(self, config: ConfigFile) -> None:
        self._config = config
        self._queues: WeakKeyDictionary[Server, AdmissionQueue] = WeakKeyDictionary()

    def join(self, server: Server) -> Ticket:
        """A place in a server's queue.

        Raises:
            QueueFull: too many wait.
        """
        return self._queue(server).join(max_waiting=self._config.config.chat.max_queue)

    def admitted(self, server: Server) -> int:
        """How many requests are admitted to a server."""
        return self._queue(server).admitted

    def _queue(self, server: Server) -> AdmissionQueue:
        if server not in self._queues:
            self._queues[server] = AdmissionQueue(server.actual.slots if server.actual else 1)
        return self._queues[server]
