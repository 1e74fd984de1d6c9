"""Lanes: requests that wait for each other, as the contract's tables say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from sidecar.contract import Lane, Params


class Lanes:
    """One first-come-first-served lock a lane and key; a lock that nobody holds is forgotten."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str | None], anyio.Lock] = {}

    @asynccontextmanager
    async def enter(self, lane: Lane | None, params: Params) -> AsyncIterator[None]:
        """Wait for one's turn in a lane; at once where there is none."""
        if lane is None:
            yield
            return
        key = (lane.name, getattr(params, lane.key) if lane.key else None)
        lock = self._locks.setdefault(key, anyio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked() and not lock.statistics().tasks_waiting:
                self._locks.pop(key, None)
