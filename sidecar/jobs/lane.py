"""Whose turn it is among jobs that share a limit.

Owns the order and the count. Knows nothing of what jobs do, and starts nothing: a job waits in here for its turn.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from sidecar.jobs.job import Job


class _Place:
    """A job's place in the queue."""

    def __init__(self, job: Job[Any]) -> None:
        self.priority = job.priority
        self.admitted = anyio.Event()


class Lane:
    """So many jobs have their turn at a time: those of a higher priority first, else in the order in which they came.

    Args:
        limit: how many; a job that has its turn keeps it when the limit is lowered.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: list[_Place] = []
        self._running = 0

    @property
    def limit(self) -> int:
        """How many jobs have their turn at a time."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._limit = limit
        self._admit()

    @asynccontextmanager
    async def turn(self, job: Job[Any]) -> AsyncIterator[None]:
        """Wait for the job's turn, and have it until the end of the block. It becomes running."""
        place = _Place(job)
        self._waiting.append(place)
        self._admit()
        try:
            await place.admitted.wait()
            job.begin()
            yield
        finally:
            if place.admitted.is_set():
                self._running -= 1
            else:
                self._waiting.remove(place)
            self._admit()

    def _admit(self) -> None:
        while self._waiting and self._running < self._limit:
            place = max(self._waiting, key=lambda one: one.priority)  # of equal ones, the first
            self._waiting.remove(place)
            self._running += 1
            place.admitted.set()
