"""Lines of waiting turns: one for each session, one for each server."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType

import anyio

from sidecar.contract.errors import QueueFull


class Line:
    """Lets at most `capacity` in at a time, first come first served."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._inside = 0
        self._waiting: deque[Ticket] = deque()

    @property
    def inside(self) -> int:
        """How many are in."""
        return self._inside

    @property
    def is_empty(self) -> bool:
        """Whether nobody is in or waits."""
        return not self._inside and not self._waiting

    def join(self, on_move: Callable[[int], None], *, max_waiting: int) -> Ticket:
        """Take a place; `on_move` is told how many are before it, at once and whenever that changes.

        Raises:
            QueueFull: too many wait.
        """
        if len(self._waiting) >= max_waiting:
            raise QueueFull(f"{len(self._waiting)} messages wait already.", queue_size=len(self._waiting))
        ticket = Ticket(self, on_move)
        if self._inside < self._capacity and not self._waiting:
            self._inside += 1
            ticket.admit()
        else:
            self._waiting.append(ticket)
        on_move(self._position(ticket))
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give a place back, inside or still waiting."""
        if ticket.admitted:
            self._inside -= 1
        elif ticket in self._waiting:
            self._waiting.remove(ticket)
        while self._waiting and self._inside < self._capacity:
            self._inside += 1
            self._waiting.popleft().admit()
        for waiting in self._waiting:
            waiting.move(self._position(waiting))

    def _position(self, ticket: Ticket) -> int:
        return 0 if ticket.admitted else self._inside - self._capacity + 1 + self._waiting.index(ticket)


class Ticket:
    """A place in a line; enter it to wait until it is one's turn."""

    def __init__(self, line: Line, on_move: Callable[[int], None]) -> None:
        self.admitted = False
        self._line = line
        self._event = anyio.Event()
        self._on_move = on_move

    def admit(self) -> None:
        """It is this ticket's turn."""
        self.admitted = True
        self._event.set()

    def move(self, position: int) -> None:
        """Tell how many are before it."""
        self._on_move(position)

    async def __aenter__(self) -> None:
        try:
            await self._event.wait()
        except BaseException:
            self._line.leave(self)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.leave(self)
