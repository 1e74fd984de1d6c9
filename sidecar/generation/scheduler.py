"""The order in which requests get a server.

Owns one queue for each server, with as many places as its engine has slots: engines answer strictly in the order in
which they are asked, so all waiting happens here. Knows nothing of what is waited for.
"""

from __future__ import annotations

from collections import deque
from types import TracebackType
from weakref import WeakKeyDictionary

import anyio
import anyio.lowlevel

from sidecar.contract.chat import TurnQueued
from sidecar.contract.errors import QueueFull
from sidecar.events.event_log import EventLog
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

    def join(self, events: EventLog, *, max_waiting: int) -> Ticket:
        """Take a place.

        Args:
            events: where it is published how many are before it, while there are any, and then that there are none.
            max_waiting: how many may wait.

        Raises:
            QueueFull: too many wait.
        """
        if len(self._waiting) >= max_waiting:
            raise QueueFull(f"{len(self._waiting)} messages wait already.", queue_size=len(self._waiting))
        ticket = Ticket(self, events)
        if self._admitted < self._capacity:
            self._admitted += 1
            ticket.admit()
        else:
            self._waiting.append(ticket)
            ticket.publish(len(self._waiting))
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give a place back, admitted or still waiting."""
        if ticket.admitted:
            self._admitted -= 1
        else:
            self._waiting.remove(ticket)
        while self._waiting and self._admitted < self._capacity:
            self._admitted += 1
            admitted = self._waiting.popleft()
            admitted.admit()
            admitted.publish(0)
        for before, waiting in enumerate(self._waiting, 1):
            waiting.publish(before)


class Ticket:
    """A place in a queue; whoever holds it must leave, once. As a context it waits, and leaves at the end."""

    def __init__(self, queue: AdmissionQueue, events: EventLog) -> None:
        self.admitted = False
        self._queue = queue
        self._events = events
        self._position: int | None = None
        self._turn = anyio.Event()

    def admit(self) -> None:
        """It is this ticket's turn."""
        self.admitted = True
        self._turn.set()

    def publish(self, position: int) -> None:
        """Publish how many are before it, where that has changed."""
        if position != self._position:
            self._position = position
            self._events.append(TurnQueued(position=position))

    async def wait(self) -> None:
        """Wait until it is this ticket's turn; where it is that already, the loop gets none in between."""
        if self.admitted:
            await anyio.lowlevel.checkpoint_if_cancelled()
        else:
            await self._turn.wait()

    def leave(self) -> None:
        """Give the place back."""
        self._queue.leave(self)

    async def __aenter__(self) -> None:
        try:
            await self.wait()
        except BaseException:
            self.leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


class Scheduler:
    """The queues of the servers.

    Args:
        config: says how many may wait for one server.
    """

    def __init__(self, config: ConfigFile) -> None:
        self._config = config
        self._queues: WeakKeyDictionary[Server, AdmissionQueue] = WeakKeyDictionary()

    def join(self, server: Server, events: EventLog) -> Ticket:
        """A place in a server's queue.

        Raises:
            QueueFull: too many wait.
        """
        return self._queue(server).join(events, max_waiting=self._config.config.chat.max_queue)

    def admitted(self, server: Server) -> int:
        """How many requests a server works on."""
        return self._queue(server).admitted

    def _queue(self, server: Server) -> AdmissionQueue:
        if server not in self._queues:
            self._queues[server] = AdmissionQueue(server.actual.slots if server.actual else 1)
        return self._queues[server]
