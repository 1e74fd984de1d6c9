"""Reading that may take long, such as a search: how long it may, and that it lets others go first.

Owns when SQLite is told to stop. Knows nothing of queues or threads; it is told whether anybody waits.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 0.01
"""How long others wait for the first try; twice as long for each further one, so that one of them comes to its end."""

STEPS = 1000
"""Of SQLite's machine between two looks at the clock: some 0.2 ms of a search, and 1 % of its time."""


class QueryYielded(Exception):
    """It was stopped so that others can go first, and has to begin anew."""


class QueryTimeout(Exception):
    """It was stopped because its time was over."""


class InterruptibleQuery(Generic[T]):
    """A piece of work that only reads. To be called again, with whatever waits done before, when it has given way.

    Args:
        work: what is done with the connection.
        seconds: the longest that it may take, all tries together; waiting for others does not count.
        others_wait: whether somebody else needs the connection.
    """

    def __init__(
        self, work: Callable[[sqlite3.Connection], T], *, seconds: float, others_wait: Callable[[], bool]
    ) -> None:
        self._work = work
        self._seconds_left = seconds
        self._others_wait = others_wait
        self._patience = PATIENCE_SECONDS
        self._wanted = True

    def give_up(self) -> None:
        """Nobody waits for it any more. From any thread."""
        self._wanted = False

    def __call__(self, db: sqlite3.Connection) -> T:
        """Do it.

        Raises:
            GaveWay: others go first.
            TookTooLong: its time is over.
        """
        began = time.monotonic()
        too_late, impatient = began + self._seconds_left, began + self._patience

        def must_stop() -> bool:
            now = time.monotonic()
            return not self._wanted or now > too_late or (now > impatient and self._others_wait())

        db.set_progress_handler(must_stop, STEPS)
        try:
            return self._work(db)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_INTERRUPT":
                raise
            self._seconds_left = too_late - time.monotonic()
            self._patience *= 2
            raise (QueryYielded if self._seconds_left > 0 else QueryTimeout) from None
        finally:
            db.set_progress_handler(None, 0)
