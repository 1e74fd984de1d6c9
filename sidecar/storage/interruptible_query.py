"""A query that may take long, such as a search: it has a timeout, and yields to other work.

Owns when SQLite is interrupted. Knows nothing of threads.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")

YIELD_SECONDS = 0.01
"""How long other work waits for the first try; twice as long for each further try, so that one of them finishes."""

STEPS = 1000
"""Of SQLite's virtual machine between two readings of the clock: some 0.2 ms of a search, at a cost of 1 %."""


class QueryYielded(Exception):
    """The query was stopped so that other work can go first, and has to start again."""


class QueryTimeout(Exception):
    """The query took longer than its timeout."""


class InterruptibleQuery(Generic[T]):
    """A piece of work that only reads. Call it again, after the waiting work, when it has yielded.

    Args:
        work: what is done with the connection.
        seconds: the timeout of all tries together; waiting for other work does not count.
        waiting: the work that waits for the connection; while there is any, the query yields.
    """

    def __init__(self, work: Callable[[sqlite3.Connection], T], *, seconds: float, waiting: SimpleQueue[Any]) -> None:
        self._work = work
        self._seconds_left = seconds
        self._waiting = waiting
        self._yield_seconds = YIELD_SECONDS
        self._cancelled = False

    def cancel(self) -> None:
        """End the query as soon as possible. From any thread."""
        self._cancelled = True

    def __call__(self, db: sqlite3.Connection) -> T:
        """Run the query.

        Raises:
            QueryYielded: other work goes first.
            QueryTimeout: its timeout has passed.
        """
        began = time.monotonic()
        timeout, yield_from = began + self._seconds_left, began + self._yield_seconds

        def must_stop() -> bool:
            now = time.monotonic()
            return self._cancelled or now > timeout or (now > yield_from and not self._waiting.empty())

        db.set_progress_handler(must_stop, STEPS)
        try:
            return self._work(db)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_INTERRUPT":
                raise
            self._seconds_left = timeout - time.monotonic()
            self._yield_seconds *= 2
            raise (QueryYielded if self._seconds_left > 0 else QueryTimeout) from None
        finally:
            db.set_progress_handler(None, 0)
