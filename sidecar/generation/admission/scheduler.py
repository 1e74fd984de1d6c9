"""The queues of requests.

Owns one queue for each server: requests wait here and not in the engine, which would take them strictly in the order of
arrival and end all of them when they do not fit together. `rule` has the rule; nothing here knows of the requests
themselves.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

import anyio
import anyio.lowlevel

from sidecar.contract.errors import QueueFull
from sidecar.generation.admission.rule import Place, decide, who_ends
from sidecar.generation.admission.token_bound import TokenBound
from sidecar.servers.server import Server
from sidecar.storage.config import ConfigFile


class AdmissionQueue:
    """Admits at most `slots` requests, first come first served.

    Args:
        slots: how many there are.
        tokens: that those admitted share; `None` if they share none.

    Attributes:
        slots, tokens: as given; an engine that is started again may have others.
        learned: tokens that are shared although the engine did not report it, known since it ran out of them.
        left_behind: tokens of requests that were broken off, which their engine may still be working on.
        bound: what is known of the lengths of prompts.
    """

    def __init__(self, slots: int, tokens: int | None = None) -> None:
        self.slots = slots
        self.tokens = tokens
        self.learned: int | None = None
        self.left_behind = 0
        self.bound = TokenBound()
        self._tickets: list[Ticket] = []

    @property
    def admitted(self) -> int:
        """How many have a slot."""
        return sum(ticket.place.has_slot for ticket in self._tickets)

    @property
    def held(self) -> int:
        """Tokens that are reserved."""
        return sum(ticket.place.held for ticket in self._tickets)

    @property
    def running(self) -> int:
        """How many have their reservation."""
        return sum(ticket.place.held > 0 for ticket in self._tickets)

    @property
    def must_drain(self) -> bool:
        """Whether a reservation is only free once the engine has noticed that others were broken off."""
        return self.tokens is not None and self.held + self.left_behind > self.tokens

    def join(self, *, max_waiting: int) -> Ticket:
        """Take a place.

        Args:
            max_waiting: how many may wait.

        Raises:
            QueueFull: too many wait.
        """
        waiting = sum(ticket.position > 0 for ticket in self._tickets)
        if waiting >= max_waiting:
            raise QueueFull(f"{waiting} messages are already waiting.", hint=self._hint(), queue_size=waiting)
        ticket = Ticket(self)
        self._tickets.append(ticket)
        self.update()
        ticket.know()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Release a place, admitted or still waiting."""
        self._tickets.remove(ticket)
        self.left_behind += ticket.place.held if ticket.is_sent else 0
        self.update()

    def update(self) -> None:
        """Admit who can be admitted now, and move the others up."""
        places = [ticket.place for ticket in self._tickets]
        decision = decide(places, slots=self.slots, tokens=self.tokens)
        for i in decision.slots:
            places[i].has_slot = True
        for i in decision.grants:
            places[i].held = places[i].claim or 0
        for ticket, position in zip(self._tickets, decision.positions, strict=True):
            ticket.move(position)

    def _hint(self) -> str | None:
        """What to do about a full queue, where tokens are scarcer than slots."""
        if self.tokens is None or self.running >= self.slots:
            return None
        return "Wait for a running message to end, or start the server with a larger context."

    def make_room(self, ticket: Ticket) -> None:
        """Choose the answers that end so that one can grow to its claim."""
        if self.tokens is None:
            return
        tickets = self._tickets
        for i in who_ends([one.place for one in tickets], tickets.index(ticket), tokens=self.tokens):
            tickets[i].place.ending = True


class Ticket:
    """A place in a queue; its holder must leave exactly once. As a context it leaves at the end.

    Attributes:
        place: what it asks for, and what it has.
        position: its place among those that wait, from 1; 0 once it is admitted.
        is_sent: its engine works on it: if it leaves now, the engine may still do so for a while.
        queue: its queue.
    """

    def __init__(self, queue: AdmissionQueue) -> None:
        self.queue = queue
        self.place = Place()
        self.position = self._known = 0
        self.is_sent = False
        self._moved: anyio.Event | None = None

    def know(self) -> None:
        """The holder knows the present position."""
        self._known = self.position

    def move(self, position: int) -> None:
        """Change its position; only the queue calls this."""
        if position != self.position:
            self.position = position
            if self._moved is not None:
                self._moved.set()

    def claim_if_free(self, tokens: int, *, elastic: bool) -> bool:
        """Reserve tokens if that is possible without waiting; returns whether it was."""
        self.claim(tokens, elastic=elastic)
        if not self.place.held:
            self.place.claim = None
            self.queue.update()
            self.know()
        return self.place.held > 0

    def claim(self, tokens: int, *, elastic: bool) -> None:
        """Ask for tokens before the request is sent, in place of those that it holds; the position shows whether it has
        to wait for them.

        Args:
            elastic: it may end early.
        """
        self.queue.left_behind += self.place.held if self.is_sent else 0
        self.is_sent = False
        self.place.claim, self.place.elastic = tokens, elastic
        self.place.held, self.place.ending = 0, False
        self.queue.update()

    def ask(self, tokens: int) -> int:
        """Hold so many tokens while it runs; fewer than before are released. Returns how many it holds: fewer than
        asked for until others have ended, and `place.ending` is set if it has to end itself."""
        place = self.place
        place.claim = tokens
        place.held = min(place.held, tokens)
        self.queue.update()
        if place.held < tokens:
            self.queue.make_room(self)
        return place.held

    async def next_position(self) -> int | None:
        """Wait until the position differs from the one known to the caller, and return it; `None`, without a switch of
        tasks, if the caller knows that it is admitted. For one task."""
        await anyio.lowlevel.checkpoint_if_cancelled()
        if not self._known and not self.position:
            return None
        while self.position == self._known:
            self._moved = anyio.Event()
            await self._moved.wait()
        self._known = self.position
        return self.position

    def leave(self) -> None:
        """Release the place."""
        self.queue.leave(self)

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
            self._queues[server] = AdmissionQueue(1)
        queue, actual = self._queues[server], server.actual
        if actual is not None:
            queue.slots, queue.tokens = actual.slots, actual.shared_context or queue.learned
        return queue
