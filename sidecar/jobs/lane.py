"""A limit of running jobs, and the order in which waiting jobs have their turn.

Owns the order and the count. Knows nothing of what jobs do, and starts nothing: jobs wait here for their turn.
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
    """Runs a limited number of jobs at a time: those with a higher priority first, else in the order of arrival.

    Args:
        limit: how many; lowering it does not interrupt running jobs.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: list[_Place] = []
        self._running = 0

    @property
    def limit(self) -> int:
        """How many jobs may run at a time."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._limit = limit
        self._admit()

    @asynccontextmanager
    async def turn(self, job: Job[Any]) -> AsyncIterator[None]:
        """Wait for the job's turn, and keep it until the end of the block. The job becomes running."""
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
