"""Lines of waiting turns: one for each session, one for each server.

Owns the order in which they get their turn. Knows nothing of what they wait for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType

import anyio
import anyio.lowlevel

from sidecar.contract.errors import QueueFull


class AdmissionQueue:
    """Lets at most `capacity` in at a time, first come first served."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._inside = 0
        self._waiting: deque[Ticket] = deque()

    @property
    def inside(self) -> int:
        """How many are in."""
        return self._inside

    def join(self, on_move: Callable[[int], None], *, max_waiting: int) -> Ticket:
        """Take a place; `on_move` is told how many are before it, at once and whenever that changes.

        Raises:
            QueueFull: too many wait.
        """
        if len(self._waiting) >= max_waiting:
            raise QueueFull(f"{len(self._waiting)} messages wait already.", queue_size=len(self._waiting))
        ticket = Ticket(self, on_move)
        self._waiting.append(ticket)
        self._let_in()
        if not ticket.admitted:
            on_move(len(self._waiting))
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give a place back, inside or still waiting."""
        if ticket.admitted:
            self._inside -= 1
        else:
            self._waiting.remove(ticket)
        self._let_in()
        for before, waiting in enumerate(self._waiting, 1):
            waiting.on_move(before)

    def _let_in(self) -> None:
        while self._waiting and self._inside < self._capacity:
            self._inside += 1
            self._waiting.popleft().admit()


class Ticket:
    """A place in a line; whoever holds it must leave, once. As a context it waits, and leaves at the end."""

    def __init__(self, line: AdmissionQueue, on_move: Callable[[int], None]) -> None:
        self.on_move = on_move
        self.admitted = False
        self._line = line
        self._turn = anyio.Event()

    def admit(self) -> None:
        """It is this ticket's turn."""
        self.admitted = True
        self._turn.set()
        self.on_move(0)

    async def wait(self) -> None:
        """Wait until it is this ticket's turn; where it is that already, the loop gets none in between."""
        if self.admitted:
            await anyio.lowlevel.checkpoint_if_cancelled()
        else:
            await self._turn.wait()

    def leave(self) -> None:
        """Give the place back."""
        self._line.leave(self)

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
